//! Calls of the API, counted and timed by namespace and method.

use std::sync::Arc;

use perdure_metrics::{
    Counters, Family, Gauges, Histogram, Histograms, IntCounter, IntGauge, OTHER, Operations, Registry, UNKNOWN,
    camel_case, definitions,
};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::namespaces::Namespaces;

/// Namespaces with labels of their own.
const NAMESPACES: usize = 200;

/// Cheap to clone.
#[derive(Clone)]
pub struct Requests(Arc<Inner>);

struct Inner {
    /// Of existing namespaces only: clients cannot make up labels.
    namespaces: Family<Arc<str>, OfNamespace>,
    unknown: Arc<OfNamespace>,
    methods: &'static [&'static str],
    metrics: Metrics,
}

struct Metrics {
    requests: Counters,
    latency: Histograms,
    pending: Gauges,
    errors: Counters,
    errors_by_type: Counters,
    invalid_argument: Counters,
    not_found: Counters,
    already_exists: Counters,
    resource_exhausted: Counters,
}

struct OfNamespace {
    name: Arc<str>,
    methods: Operations<OfMethod>,
}

struct OfMethod {
    requests: IntCounter,
    latency: Histogram,
    pending: IntGauge,
}

/// A call that is not answered yet.
pub(crate) struct Running<'a> {
    inner: &'a Inner,
    namespace: Arc<OfNamespace>,
    method: usize,
    began: Instant,
}

impl Requests {
    pub fn new(registry: &Registry) -> Self {
        let methods: &'static [&'static str] = &crate::service::METHODS;
        let of_namespace = |name: &str| OfNamespace { name: name.into(), methods: Operations::new(methods) };
        let unknown = Arc::new(of_namespace(UNKNOWN));
        let namespaces =
            Family::new(NAMESPACES, move |name: Option<&Arc<str>>| of_namespace(name.map_or(OTHER, |name| name)));
        Self(Arc::new(Inner { namespaces, unknown, methods, metrics: Metrics::new(registry) }))
    }

    /// `method`: its place in the list of the service.
    pub(crate) fn begin(&self, method: usize, namespace: &str, namespaces: &Namespaces) -> Running<'_> {
        let inner = &*self.0;
        let namespace = match inner.namespaces.find(namespace) {
            Some(known) => known,
            None if namespaces.exists(namespace) => inner.namespaces.get(&namespace.into()),
            None => Arc::clone(&inner.unknown),
        };
        let running = Running { inner, namespace, method, began: Instant::now() };
        running.count(|method| {
            method.requests.inc();
            method.pending.inc();
        });
        running
    }
}

impl Running<'_> {
    pub(crate) fn end<T>(self, result: &Result<T, Status>) {
        self.count(|method| method.latency.observe(self.began.elapsed().as_secs_f64()));
        if let Err(status) = result {
            self.inner.metrics.count_error(&self.namespace.name, &self.operation(), status.code());
        }
    }

    fn operation(&self) -> String {
        camel_case(self.inner.methods.get(self.method).copied().unwrap_or_default())
    }

    fn count(&self, count: impl FnOnce(&OfMethod)) {
        let make = || self.inner.metrics.of_method(&self.namespace.name, &self.operation());
        if let Some(method) = self.namespace.methods.get(self.method, make) {
            count(method);
        }
    }
}

/// Also where the client went away.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.count(|method| method.pending.dec());
    }
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            requests: registry.counters(&definitions::SERVICE_REQUESTS),
            latency: registry.histograms(&definitions::SERVICE_LATENCY),
            pending: registry.gauges(&definitions::SERVICE_PENDING_REQUESTS),
            errors: registry.counters(&definitions::SERVICE_ERRORS),
            errors_by_type: registry.counters(&definitions::SERVICE_ERROR_WITH_TYPE),
            invalid_argument: registry.counters(&definitions::SERVICE_ERRORS_INVALID_ARGUMENT),
            not_found: registry.counters(&definitions::SERVICE_ERRORS_NOT_FOUND),
            already_exists: registry.counters(&definitions::SERVICE_ERRORS_ALREADY_STARTED),
            resource_exhausted: registry.counters(&definitions::SERVICE_ERRORS_RESOURCE_EXHAUSTED),
        }
    }

    fn of_method(&self, namespace: &str, operation: &str) -> OfMethod {
        let labels = [namespace, operation];
        OfMethod {
            requests: self.requests.of(&labels),
            latency: self.latency.of(&labels),
            pending: self.pending.of(&labels),
        }
    }

    /// Errors are rare: their handles are looked up.
    fn count_error(&self, namespace: &str, operation: &str, code: Code) {
        self.errors_by_type.of(&[namespace, operation, error_type(code)]).inc();
        let counters = match code {
            Code::InvalidArgument => &self.invalid_argument,
            Code::NotFound => &self.not_found,
            Code::AlreadyExists => &self.already_exists,
            Code::ResourceExhausted => &self.resource_exhausted,
            Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable | Code::DataLoss => {
                &self.errors
            }
            _ => return,
        };
        counters.of(&[namespace, operation]).inc();
    }
}

/// The type of Temporal's error that stands for the code.
fn error_type(code: Code) -> &'static str {
    match code {
        Code::Ok => "",
        Code::Cancelled => "serviceerror_Canceled",
        Code::Unknown => "serviceerror_Unknown",
        Code::InvalidArgument => "serviceerror_InvalidArgument",
        Code::DeadlineExceeded => "serviceerror_DeadlineExceeded",
        Code::NotFound => "serviceerror_NotFound",
        Code::AlreadyExists => "serviceerror_AlreadyExists",
        Code::PermissionDenied => "serviceerror_PermissionDenied",
        Code::ResourceExhausted => "serviceerror_ResourceExhausted",
        Code::FailedPrecondition => "serviceerror_FailedPrecondition",
        Code::Aborted => "serviceerror_Aborted",
        Code::OutOfRange => "serviceerror_OutOfRange",
        Code::Unimplemented => "serviceerror_Unimplemented",
        Code::Internal => "serviceerror_Internal",
        Code::Unavailable => "serviceerror_Unavailable",
        Code::DataLoss => "serviceerror_DataLoss",
        Code::Unauthenticated => "serviceerror_Unauthenticated",
    }
}
