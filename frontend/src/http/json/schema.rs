//! The routes, from the `google.api.http` options of the API's descriptors.

use std::sync::LazyLock;

use http::Method;
use perdure_proto::DESCRIPTORS;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

use super::template::{Template, segments};

/// Made by the first request: most servers never get one, and the descriptors take megabytes.
pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::new);

const SERVICES: [&str; 2] =
    ["temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"];

pub(super) struct Schema {
    /// In the order of the descriptors.
    pub(super) routes: Vec<Route>,
    /// `google.rpc.Status`.
    pub(super) status: MessageDescriptor,
}

/// A method of HTTP and a path that lead to an RPC. An RPC has one for each of its bindings.
pub(super) struct Route {
    pub(super) method: Method,
    /// The template as it was written.
    pub(super) path: String,
    pub(super) template: Template,
    /// What the request's body is: nothing (empty), the message (`*`), or this field of it.
    pub(super) body: String,
    /// The field that is the answer; empty: the message.
    pub(super) response_body: String,
    pub(super) rpc: MethodDescriptor,
}

/// A route, and the fields that are in the path.
pub(super) type Found<'a> = (&'a Route, Vec<(&'a str, String)>);

/// Why there is no route.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unrouted {
    /// The path cannot be decoded.
    Malformed,
    Unknown,
    /// There are routes with this path and another method.
    OtherMethod,
}

impl Schema {
    fn new() -> Self {
        let pool = DescriptorPool::decode(DESCRIPTORS).expect("our build has encoded the descriptors");
        let status = pool.get_message_by_name("google.rpc.Status").expect("it is among the files of our build");
        let services = SERVICES.iter().filter_map(|name| pool.get_service_by_name(name));
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let routes = methods.flat_map(|rpc| {
            let rules = rules(&pool, &rpc);
            rules.iter().filter_map(|rule| route(rule, &rpc)).collect::<Vec<_>>()
        });
        let routes = routes.collect();
        Self { routes, status }
    }

    /// The route for a path as it came. Where several match, the last one counts.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<Found<'_>, Unrouted> {
        let segments = segments(path).ok_or(Unrouted::Malformed)?;
        let mut unrouted = Unrouted::Unknown;
        for route in self.routes.iter().rev() {
            let Some(values) = route.template.values(&segments) else { continue };
            if route.method == method {
                let values = values.into_iter().map(str::to_owned);
                return Ok((route, route.template.fields().zip(values).collect()));
            }
            unrouted = Unrouted::OtherMethod;
        }
        Err(unrouted)
    }
}

/// The bindings of an RPC: its rule, and the additional ones in it.
fn rules(pool: &DescriptorPool, rpc: &MethodDescriptor) -> Vec<DynamicMessage> {
    let options = rpc.options();
    let Some(extension) = pool.get_extension_by_name("google.api.http") else { return Vec::new() };
    if !options.has_extension(&extension) {
        return Vec::new();
    }
    let rule = options.get_extension(&extension);
    let Some(rule) = rule.as_message() else { return Vec::new() };
    let additional = rule.get_field_by_name("additional_bindings");
    let additional = additional.iter().filter_map(|value| value.as_list()).flatten().filter_map(Value::as_message);
    std::iter::once(rule).chain(additional).cloned().collect()
}

fn route(rule: &DynamicMessage, rpc: &MethodDescriptor) -> Option<Route> {
    const METHODS: [(&str, Method); 5] = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let text = |name: &str| {
        let value = rule.get_field_by_name(name);
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let (name, method) = METHODS.into_iter().find(|(name, _)| rule.has_field_by_name(name))?;
    let path = text(name);
    let (template, body, response_body) = (Template::parse(&path)?, text("body"), text("response_body"));
    Some(Route { method, path, template, body, response_body, rpc: rpc.clone() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_binding_is_a_route() {
        let pool = SCHEMA.status.parent_pool();
        let methods =
            SERVICES.iter().flat_map(|name| pool.get_service_by_name(name).unwrap().methods().collect::<Vec<_>>());
        let bindings: usize = methods.map(|rpc| rules(pool, &rpc).len()).sum();
        let rpcs: BTreeSet<_> = SCHEMA.routes.iter().map(|route| route.rpc.full_name().to_owned()).collect();
        assert_eq!((rpcs.len(), SCHEMA.routes.len()), (106, bindings));
        for route in &SCHEMA.routes {
            for path in route.template.fields() {
                let mut message = DynamicMessage::new(route.rpc.input());
                super::super::fields::set(&mut message, path, &["value".to_owned()]).unwrap();
                assert_ne!(message, DynamicMessage::new(route.rpc.input()), "{}: {path}", route.path);
            }
        }
    }

    #[test]
    fn finds() {
        let found = |method: Method, path: &str| {
            let (route, captures) = SCHEMA.find(&method, path)?;
            let captures = captures.iter().map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>();
            Ok(format!("{} {}", route.rpc.name(), captures.join(" ")))
        };
        let cases = [
            (Method::GET, "/system-info", Ok("GetSystemInfo ")),
            (Method::GET, "/api/v1/system-info", Ok("GetSystemInfo ")),
            (Method::GET, "/namespaces/n/workflows", Ok("ListWorkflowExecutions namespace=n")),
            (Method::GET, "/cluster/namespaces/n", Ok("DescribeNamespace namespace=n")),
            (
                Method::GET,
                "/namespaces/n/workflows/a%2Fb",
                Ok("DescribeWorkflowExecution namespace=n execution.workflow_id=a/b"),
            ),
            (Method::HEAD, "/system-info", Err(Unrouted::OtherMethod)),
            (Method::GET, "/system-info/", Err(Unrouted::Unknown)),
            (Method::GET, "/namespaces/n/workflows/%f", Err(Unrouted::Malformed)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(found(method, path), expected.map(str::to_owned), "{path}");
        }
    }
}
