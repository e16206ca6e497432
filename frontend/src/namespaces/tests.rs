use perdure_proto::api::{
    enums::NamespaceState,
    namespace::{NamespaceConfig, NamespaceFilter, UpdateNamespaceInfo},
    operatorservice::DeleteNamespaceRequest,
    workflowservice::{
        DeprecateNamespaceRequest, DescribeNamespaceRequest, ListNamespacesRequest, RegisterNamespaceRequest,
        UpdateNamespaceRequest,
    },
};
use perdure_storage::MemoryStore;
use tonic::Code;

use super::*;

const DAY: i64 = 86_400;

/// A namespace with these attributes, in no store.
pub(crate) fn with_attributes(attributes: &[(&str, AttributeKind)]) -> AuthorizedNamespace {
    let mut known = Known::default();
    let search_attributes =
        attributes.iter().map(|(name, kind)| ((*name).to_owned(), kind.to_indexed().into())).collect();
    let stored =
        Namespace { id: Uuid::nil().to_string(), name: "n".to_owned(), search_attributes, ..Namespace::default() };
    known.put(stored).unwrap();
    known.by_id[&Uuid::nil()].clone()
}

/// A namespace whose requests have these limits, in no store.
pub(crate) fn with_limits(id: Uuid, limits: FrontendLimits) -> AuthorizedNamespace {
    let mut known = Known { limits: shared(ByNamespace::of_all(limits)), ..Known::default() };
    known.put(Namespace { id: id.to_string(), name: "n".to_owned(), ..Namespace::default() }).unwrap();
    known.by_id[&id].clone()
}

async fn registry(store: Arc<MemoryStore>) -> Namespaces {
    Namespaces::open(store, ByNamespace::default(), Quotas::default(), "active".to_owned()).await.unwrap()
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn register(name: &str, retention: Option<prost_types::Duration>) -> RegisterNamespaceRequest {
    RegisterNamespaceRequest {
        namespace: name.to_owned(),
        workflow_execution_retention_period: retention,
        ..RegisterNamespaceRequest::default()
    }
}

fn error<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn a_registered_namespace_is_there_at_once_and_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let namespaces = registry(store.clone()).await;
    namespaces.register(register("n", seconds(DAY))).await.unwrap();
    let namespace = namespaces.resolve("n").unwrap();
    assert_eq!(namespace.retention(), DAY * 1_000_000_000);
    assert_eq!(namespaces.by_id(namespace.id()), Some(namespace.clone()));
    assert_eq!(registry(store).await.resolve("n").unwrap(), namespace);
}

#[tokio::test]
async fn limits_change_and_can_be_a_namespaces_own() {
    let namespaces = registry(Arc::default()).await;
    namespaces.register(register("before", seconds(DAY))).await.unwrap();
    let old = namespaces.resolve("before").unwrap();
    let links = |links| FrontendLimits { links, ..FrontendLimits::default() };
    let named = HashMap::from([("before".to_owned(), links(2)), ("after".to_owned(), links(3))]);
    namespaces.set_limits(ByNamespace { all: FrontendLimits { retention_min: hours(48), ..links(1) }, named });
    // A request goes on with what it began with.
    assert_eq!(old.limits().links, 10);
    for name in ["after", "other"] {
        let refused = namespaces.register(register(name, seconds(DAY))).await;
        assert_eq!(error(refused).1, "A valid retention period is not set on request.");
        namespaces.register(register(name, seconds(2 * DAY))).await.unwrap();
    }
    let of = |name: &str| namespaces.resolve(name).unwrap().limits().links;
    assert_eq!([of("before"), of("after"), of("other")], [2, 3, 1]);
    assert_eq!(namespaces.by_id(old.id()).unwrap().limits().links, 2);
    assert_eq!(namespaces.limits_of(old.id()).links, 2);
    assert_eq!([namespaces.limits_of(Uuid::nil()).links, namespaces.limits().links], [1, 1]);
    // A name that is too long is no namespace's.
    let mut short = FrontendLimits::default();
    short.runs.id_length = 5;
    namespaces.set_limits(ByNamespace::of_all(short));
    assert_eq!(error(namespaces.resolve("before")).1, "Namespace length exceeds limit.");
    let refused = namespaces.register(register("longer", seconds(DAY))).await;
    assert_eq!(error(refused).1, "Namespace length exceeds limit.");
}

fn hours(hours: u64) -> std::time::Duration {
    std::time::Duration::from_secs(hours * 60 * 60)
}

#[tokio::test]
async fn register_refuses() {
    let namespaces = registry(Arc::default()).await;
    namespaces.register(register("taken", seconds(DAY))).await.unwrap();
    let no_retention = "A valid retention period is not set on request.";
    let cases = [
        (register("", seconds(DAY)), Code::InvalidArgument, "Namespace not set on request."),
        (register(&"x".repeat(1_001), seconds(DAY)), Code::InvalidArgument, "Namespace length exceeds limit."),
        (register("a\0b", seconds(DAY)), Code::InvalidArgument, "Namespace contains a NUL character."),
        (register("n", None), Code::InvalidArgument, no_retention),
        (register("n", seconds(3_599)), Code::InvalidArgument, no_retention),
        (register("n", seconds(-DAY)), Code::InvalidArgument, no_retention),
        (register("n", Some(prost_types::Duration { seconds: DAY, nanos: -1 })), Code::InvalidArgument, no_retention),
        (register("taken", seconds(DAY)), Code::AlreadyExists, "Namespace \"taken\" already exists"),
        (
            RegisterNamespaceRequest { is_global_namespace: true, ..register("n", seconds(DAY)) },
            Code::InvalidArgument,
            "Cannot register global namespace when not enabled",
        ),
        (
            RegisterNamespaceRequest { active_cluster_name: "other".to_owned(), ..register("n", seconds(DAY)) },
            Code::InvalidArgument,
            "Invalid cluster name: other",
        ),
    ];
    for (request, code, message) in cases {
        assert_eq!(error(namespaces.register(request).await), (code, message.to_owned()));
    }
    assert!(namespaces.resolve("n").is_err());
}

#[tokio::test]
async fn resolve_refuses() {
    let namespaces = registry(Arc::default()).await;
    let cases = [
        (String::new(), Code::InvalidArgument, "Namespace is empty."),
        ("x".repeat(1_001), Code::InvalidArgument, "Namespace length exceeds limit."),
        ("none".to_owned(), Code::NotFound, "Namespace none is not found."),
    ];
    for (name, code, message) in cases {
        assert_eq!(error(namespaces.resolve(&name)), (code, message.to_owned()));
    }
}

#[tokio::test]
async fn describe_by_name_or_id() {
    let namespaces = registry(Arc::default()).await;
    namespaces.register(register("n", seconds(DAY))).await.unwrap();
    let describe = |namespace: &str, id: &str| {
        namespaces.describe(&DescribeNamespaceRequest {
            namespace: namespace.to_owned(),
            id: id.to_owned(),
            ..DescribeNamespaceRequest::default()
        })
    };
    let id = namespaces.resolve("n").unwrap().id().to_string();
    let described = describe("n", "").unwrap();
    assert_eq!(described, describe("", &id).unwrap());
    assert_eq!(described.namespace_info.unwrap().name, "n");
    assert_eq!(error(describe("", "")), (Code::InvalidArgument, "Namespace not set on request.".to_owned()));
    let unknown = "0f000000-0000-4000-8000-000000000000";
    assert_eq!(error(describe("", unknown)), (Code::NotFound, format!("Namespace {unknown} is not found.")));
    assert_eq!(error(describe("n", &id)).0, Code::InvalidArgument);
}

#[tokio::test]
async fn update_merges() {
    let namespaces = registry(Arc::default()).await;
    let data = [("a".to_owned(), "1".to_owned())].into();
    let request = RegisterNamespaceRequest { owner_email: "me".to_owned(), data, ..register("n", seconds(DAY)) };
    namespaces.register(request).await.unwrap();
    let update = |info: UpdateNamespaceInfo, retention: Option<prost_types::Duration>| {
        let config = NamespaceConfig { workflow_execution_retention_ttl: retention, ..NamespaceConfig::default() };
        namespaces.update(UpdateNamespaceRequest {
            namespace: "n".to_owned(),
            update_info: Some(info),
            config: Some(config),
            ..UpdateNamespaceRequest::default()
        })
    };
    let data = [("a".to_owned(), "2".to_owned()), ("b".to_owned(), "3".to_owned())];
    let info = UpdateNamespaceInfo { data: data.clone().into(), description: "d".to_owned(), ..Default::default() };
    let updated = update(info, seconds(2 * DAY)).await.unwrap().namespace_info.unwrap();
    assert_eq!((updated.owner_email.as_str(), updated.description.as_str()), ("me", "d"));
    assert_eq!(updated.data, data.into());
    assert_eq!(namespaces.resolve("n").unwrap().retention(), 2 * DAY * 1_000_000_000);

    let info = UpdateNamespaceInfo { description: "lost".to_owned(), ..Default::default() };
    let refused = error(update(info, seconds(60)).await);
    assert_eq!(refused, (Code::InvalidArgument, "A valid retention period is not set on request.".to_owned()));
    let described = namespaces.describe(&DescribeNamespaceRequest { namespace: "n".to_owned(), ..Default::default() });
    assert_eq!(described.unwrap().namespace_info.unwrap().description, "d");
}

#[tokio::test]
async fn states() {
    let namespaces = registry(Arc::default()).await;
    namespaces.register(register("n", seconds(DAY))).await.unwrap();
    let set = |state: NamespaceState| {
        let info = UpdateNamespaceInfo { state: state.into(), ..UpdateNamespaceInfo::default() };
        let update_info = Some(info);
        namespaces.update(UpdateNamespaceRequest { namespace: "n".to_owned(), update_info, ..Default::default() })
    };
    namespaces.deprecate(&DeprecateNamespaceRequest { namespace: "n".to_owned(), ..Default::default() }).await.unwrap();
    assert_eq!(namespaces.resolve("n").unwrap().state(), NamespaceState::Deprecated);
    let refused = (Code::InvalidArgument, "Invalid namespace state update.".to_owned());
    assert_eq!(error(set(NamespaceState::Registered).await), refused);
    set(NamespaceState::Deleted).await.unwrap();
    let message = "Namespace has invalid state: Deleted. Must be Registered or Deprecated.".to_owned();
    assert_eq!(error(namespaces.resolve("n")), (Code::FailedPrecondition, message));
    assert_eq!(error(set(NamespaceState::Deprecated).await), refused);
}

/// A server that waited for its place reads again what the one before it has changed.
#[tokio::test]
async fn refresh_sees_what_others_changed() {
    let store = Arc::new(MemoryStore::new());
    let (before, after) = (registry(store.clone()).await, registry(store).await);
    before.register(register("n", seconds(DAY))).await.unwrap();
    assert_eq!(error(after.resolve("n")).0, Code::NotFound);
    after.refresh().await.unwrap();
    assert_eq!(after.resolve("n").unwrap().id(), before.resolve("n").unwrap().id());
    let delete = DeleteNamespaceRequest { namespace: "n".to_owned(), ..Default::default() };
    before.delete(delete).await.unwrap();
    after.refresh().await.unwrap();
    assert_eq!(error(after.resolve("n")).0, Code::NotFound);
}

#[tokio::test]
async fn list_pages_by_name() {
    let namespaces = registry(Arc::default()).await;
    for name in ["d", "b", "a", "c"] {
        namespaces.register(register(name, seconds(DAY))).await.unwrap();
    }
    let info = UpdateNamespaceInfo { state: NamespaceState::Deleted.into(), ..UpdateNamespaceInfo::default() };
    let delete = UpdateNamespaceRequest { namespace: "b".to_owned(), update_info: Some(info), ..Default::default() };
    namespaces.update(delete).await.unwrap();
    let pages = |include_deleted: bool, mut request: ListNamespacesRequest| {
        request.namespace_filter = Some(NamespaceFilter { include_deleted });
        let mut pages = Vec::new();
        loop {
            let page = namespaces.list(&request);
            let names: String = page.namespaces.into_iter().map(|shown| shown.namespace_info.unwrap().name).collect();
            pages.push(names);
            if page.next_page_token.is_empty() {
                return pages;
            }
            request.next_page_token = page.next_page_token;
        }
    };
    let of_size = |page_size| ListNamespacesRequest { page_size, ..ListNamespacesRequest::default() };
    assert_eq!(pages(false, of_size(2)), ["ac", "d"]);
    assert_eq!(pages(false, of_size(3)), ["acd"]);
    assert_eq!(pages(true, of_size(0)), ["abcd"]);
    assert_eq!(pages(true, of_size(-1)), ["abcd"]);
}

#[tokio::test]
async fn ensure_keeps_what_exists() {
    let namespaces = registry(Arc::default()).await;
    namespaces.register(register("n", seconds(DAY))).await.unwrap();
    let id = namespaces.resolve("n").unwrap().id();
    let attributes = [("Tag".to_owned(), AttributeKind::Keyword.to_indexed())].into();
    namespaces.ensure("n", std::time::Duration::from_secs(7_200), &attributes).await.unwrap();
    let other_type = [("Tag".to_owned(), AttributeKind::Int.to_indexed())].into();
    namespaces.ensure("n", std::time::Duration::from_secs(7_200), &other_type).await.unwrap();
    let kept = namespaces.resolve("n").unwrap();
    assert_eq!((kept.id(), kept.retention()), (id, DAY * 1_000_000_000));
    assert_eq!(kept.attribute("Tag"), Some(AttributeKind::Keyword));
    namespaces.ensure("new", std::time::Duration::from_secs(7_200), &BTreeMap::new()).await.unwrap();
    assert_eq!(namespaces.resolve("new").unwrap().retention(), 7_200 * 1_000_000_000);
}
