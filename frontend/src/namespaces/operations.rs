//! The RPCs on namespaces. Each checks everything first; what is refused changes nothing.

use std::collections::BTreeMap;

use perdure_engine::time::{SECOND, from_duration};
use perdure_proto::{
    api::{
        enums::{IndexedValueType, NamespaceState},
        namespace::{NamespaceConfig, UpdateNamespaceInfo},
        operatorservice::{DeleteNamespaceRequest, DeleteNamespaceResponse},
        replication::NamespaceReplicationConfig,
        workflowservice::{
            DeprecateNamespaceRequest, DeprecateNamespaceResponse, DescribeNamespaceRequest, DescribeNamespaceResponse,
            ListNamespacesRequest, ListNamespacesResponse, RegisterNamespaceRequest, RegisterNamespaceResponse,
            UpdateNamespaceRequest, UpdateNamespaceResponse,
        },
    },
    perdure::persistence::v1::Namespace,
};
use perdure_storage::StoreError;
use prost_types::Duration;
use tonic::Status;
use uuid::Uuid;

use super::{AuthorizedNamespace, Namespaces, is_reserved};
use crate::{error, limits::FrontendLimits, status};

/// Longest retention: Temporal caps all durations at 100 years.
const RETENTION_MAX: Duration = Duration { seconds: 100 * 365 * 24 * 60 * 60, nanos: 0 };

/// A namespace that exists on Temporal's servers only: it can be neither made nor deleted.
pub(crate) const SYSTEM_NAMESPACE: &str = "temporal-system";

const PAGE_SIZE_DEFAULT: usize = 100;

/// `Namespace not set on request.` where a namespace is the subject of the call, not its scope.
pub(crate) fn required(name: &str) -> Result<(), Status> {
    if name.is_empty() { Err(status::invalid("Namespace not set on request.")) } else { Ok(()) }
}

impl Namespaces {
    pub(crate) async fn register(
        &self,
        request: RegisterNamespaceRequest,
    ) -> Result<RegisterNamespaceResponse, Status> {
        required(&request.namespace)?;
        let limits = self.limits();
        if request.namespace.len() > limits.runs.id_length {
            return Err(status::invalid("Namespace length exceeds limit."));
        }
        if request.namespace.contains('\0') {
            return Err(status::invalid("Namespace contains a NUL character."));
        }
        if request.is_global_namespace {
            return Err(status::invalid("Cannot register global namespace when not enabled"));
        }
        let retention = valid_retention(request.workflow_execution_retention_period.as_ref(), &limits)?;
        if request.namespace == SYSTEM_NAMESPACE || self.find(&request.namespace).is_ok() {
            return Err(status::namespace_already_exists(&request.namespace));
        }
        self.check_clusters(&request.active_cluster_name, request.clusters.iter().map(|c| c.cluster_name.as_str()))?;
        self.create(Namespace {
            name: request.namespace,
            description: request.description,
            owner_email: request.owner_email,
            data: request.data,
            retention: Some(retention),
            ..Namespace::default()
        })
        .await?;
        Ok(RegisterNamespaceResponse {})
    }

    /// Creates the namespace with a new id unless there is one of this name: for the namespaces that a server starts with.
    pub async fn ensure(
        &self,
        name: &str,
        retention: std::time::Duration,
        search_attributes: &BTreeMap<String, IndexedValueType>,
    ) -> Result<(), Status> {
        if let Some(reserved) = search_attributes.keys().find(|attribute| is_reserved(attribute)) {
            return Err(status::invalid(format!("Search attribute {reserved} is reserved by system.")));
        }
        if self.find(name).is_err() {
            let retention = Duration::try_from(retention).map_err(|_| status::invalid("The retention is too long."))?;
            let retention = valid_retention(Some(&retention), &self.limits())?;
            self.create(Namespace { name: name.to_owned(), retention: Some(retention), ..Namespace::default() })
                .await?;
        }
        self.change(name, |stored| {
            for (attribute, kind) in search_attributes {
                stored.search_attributes.entry(attribute.clone()).or_insert((*kind).into());
            }
            Ok(())
        })
        .await?;
        Ok(())
    }

    pub(crate) fn describe(&self, request: &DescribeNamespaceRequest) -> Result<DescribeNamespaceResponse, Status> {
        let namespace = if request.id.is_empty() {
            required(&request.namespace)?;
            self.find(&request.namespace)?
        } else if !request.namespace.is_empty() {
            return Err(status::invalid("GetNamespace operation failed. Both ID and Name specified in request."));
        } else {
            let id = Uuid::parse_str(&request.id).ok();
            id.and_then(|id| self.by_id(id)).ok_or_else(|| status::namespace_not_found(&request.id))?
        };
        Ok(self.0.describe(&namespace))
    }

    /// Takes the namespace out of use at once, under another name, so that its own is free. Its runs are deleted in the
    /// background, and then the namespace itself.
    pub(crate) async fn delete(&self, request: DeleteNamespaceRequest) -> Result<DeleteNamespaceResponse, Status> {
        let name = match (request.namespace.as_str(), request.namespace_id.as_str()) {
            ("", "") => return Err(status::invalid("Namespace not set on request.")),
            ("", id) => {
                let namespace = Uuid::parse_str(id).ok().and_then(|id| self.by_id(id));
                namespace.ok_or_else(|| status::namespace_not_found(id))?.name().to_string()
            }
            (name, "") => name.to_owned(),
            _ => return Err(status::invalid("Only one of namespace name or Id should be set on request.")),
        };
        let namespace = self.find(&name)?;
        if namespace.state() == NamespaceState::Deleted {
            return Ok(DeleteNamespaceResponse { deleted_namespace: name });
        }
        // The id makes the new name unique.
        let id = namespace.id().simple().to_string();
        let deleted_namespace = format!("{name}-deleted-{}", id.get(id.len() - 5..).unwrap_or(&id));
        let renamed = deleted_namespace.clone();
        self.change(&name, |stored| {
            stored.name = renamed;
            stored.set_state(NamespaceState::Deleted);
            Ok(())
        })
        .await?;
        Ok(DeleteNamespaceResponse { deleted_namespace })
    }

    /// Pages by name. The token is the last name shown: it grants nothing, so any bytes are a position.
    pub(crate) fn list(&self, request: &ListNamespacesRequest) -> ListNamespacesResponse {
        let page_size = usize::try_from(request.page_size).ok().filter(|size| *size > 0).unwrap_or(PAGE_SIZE_DEFAULT);
        let include_deleted = request.namespace_filter.as_ref().is_some_and(|filter| filter.include_deleted);
        let known = self.0.known.read();
        let mut rest = known
            .by_name
            .values()
            .filter(|namespace| include_deleted || namespace.state() != NamespaceState::Deleted)
            .skip_while(|namespace| namespace.name().as_bytes() <= request.next_page_token.as_ref())
            .peekable();
        let mut namespaces = Vec::new();
        let mut last = String::new();
        while namespaces.len() < page_size
            && let Some(namespace) = rest.next()
        {
            last = namespace.name().to_string();
            namespaces.push(self.0.describe(namespace));
        }
        let next_page_token = if rest.peek().is_some() { last.into() } else { Default::default() };
        ListNamespacesResponse { namespaces, next_page_token }
    }

    pub(crate) async fn update(&self, request: UpdateNamespaceRequest) -> Result<UpdateNamespaceResponse, Status> {
        required(&request.namespace)?;
        self.find(&request.namespace)?;
        if request.promote_namespace {
            return Err(status::invalid(format!(
                "global namespace is not enabled on this cluster, cannot update global namespace or promote local \
                 namespace: {}",
                request.namespace
            )));
        }
        if !request.delete_bad_binary.is_empty() {
            let checksum = &request.delete_bad_binary;
            return Err(status::invalid(format!("Bad binary checksum {checksum} doesn't exists.")));
        }
        if let Some(replication) = &request.replication_config {
            self.check_replication(replication)?;
        }
        let limits = self.limits();
        let namespace = self
            .change(&request.namespace, |stored| {
                if let Some(info) = request.update_info {
                    merge_info(stored, info)?;
                }
                match request.config {
                    Some(config) => merge_config(stored, config, &limits),
                    None => Ok(()),
                }
            })
            .await?;
        Ok(UpdateNamespaceResponse {
            namespace_info: Some(self.0.info(&namespace)),
            config: Some(self.0.config(&namespace)),
            replication_config: Some(self.0.replication()),
            ..UpdateNamespaceResponse::default()
        })
    }

    pub(crate) async fn deprecate(
        &self,
        request: &DeprecateNamespaceRequest,
    ) -> Result<DeprecateNamespaceResponse, Status> {
        required(&request.namespace)?;
        self.change(&request.namespace, |stored| {
            stored.set_state(NamespaceState::Deprecated);
            Ok(())
        })
        .await?;
        Ok(DeprecateNamespaceResponse {})
    }

    /// Stores a new namespace under a new id, then shows it.
    async fn create(&self, mut stored: Namespace) -> Result<(), Status> {
        stored.id = Uuid::new_v4().to_string();
        stored.created_at = Some(std::time::SystemTime::now().into());
        stored.set_state(NamespaceState::Registered);
        let _one_at_a_time = self.0.changes.lock().await;
        match self.0.store.create_namespace(&stored).await {
            Ok(()) => {}
            Err(StoreError::AlreadyExists) => return Err(status::namespace_already_exists(&stored.name)),
            Err(error) => return Err(error::of_store(error)),
        }
        self.0.known.write().put(stored).map_err(error::of_store)
    }

    /// Reads, changes, stores and then shows a namespace. Nothing is written where `change` changes nothing.
    pub(crate) async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Namespace) -> Result<(), Status>,
    ) -> Result<AuthorizedNamespace, Status> {
        let _one_at_a_time = self.0.changes.lock().await;
        let namespace = self.find(name)?;
        let mut changed = namespace.stored().clone();
        change(&mut changed)?;
        if changed == *namespace.stored() {
            return Ok(namespace);
        }
        self.0.store.update_namespace(&changed).await.map_err(error::of_store)?;
        let new_name = changed.name.clone();
        let mut known = self.0.known.write();
        known.by_name.remove(name);
        known.put(changed).map_err(error::of_store)?;
        drop(known);
        self.find(&new_name)
    }

    fn check_replication(&self, replication: &NamespaceReplicationConfig) -> Result<(), Status> {
        let clusters = replication.clusters.iter().map(|cluster| cluster.cluster_name.as_str());
        self.check_clusters(&replication.active_cluster_name, clusters)
    }

    /// There is one cluster: this one.
    fn check_clusters<'a>(&self, active: &'a str, clusters: impl Iterator<Item = &'a str>) -> Result<(), Status> {
        let named = clusters.chain((!active.is_empty()).then_some(active));
        match named.into_iter().find(|name| *name != self.0.cluster_name) {
            Some(name) => Err(status::invalid(format!("Invalid cluster name: {name}"))),
            None => Ok(()),
        }
    }
}

fn valid_retention(retention: Option<&Duration>, limits: &FrontendLimits) -> Result<Duration, Status> {
    let valid = retention.filter(|retention| {
        let one_sign = (retention.seconds >= 0) == (retention.nanos >= 0) || retention.seconds == 0;
        let below_a_second = i64::from(retention.nanos).abs() < SECOND;
        one_sign && below_a_second && i128::from(from_duration(retention)) >= limits.retention_min.as_nanos() as i128
    });
    let retention = valid.ok_or_else(|| status::invalid("A valid retention period is not set on request."))?;
    Ok(if retention.seconds >= RETENTION_MAX.seconds { RETENTION_MAX } else { *retention })
}

/// What is empty in the update stays as it was; data is merged by key.
fn merge_info(stored: &mut Namespace, info: UpdateNamespaceInfo) -> Result<(), Status> {
    let state = info.state();
    if state != NamespaceState::Unspecified && state != stored.state() {
        match (stored.state(), state) {
            (NamespaceState::Registered, NamespaceState::Deprecated | NamespaceState::Deleted)
            | (NamespaceState::Deprecated, NamespaceState::Deleted) => stored.set_state(state),
            _ => return Err(status::invalid("Invalid namespace state update.")),
        }
    }
    if !info.description.is_empty() {
        stored.description = info.description;
    }
    if !info.owner_email.is_empty() {
        stored.owner_email = info.owner_email;
    }
    stored.data.extend(info.data);
    Ok(())
}

/// A new retention counts for runs that have closed already, too. Archival is not configured, so its settings change nothing, as on
/// a Temporal server without an archive.
fn merge_config(stored: &mut Namespace, config: NamespaceConfig, limits: &FrontendLimits) -> Result<(), Status> {
    if let Some(retention) = &config.workflow_execution_retention_ttl {
        stored.retention = Some(valid_retention(Some(retention), limits)?);
    }
    if config.bad_binaries.is_some_and(|bad| !bad.binaries.is_empty()) {
        return Err(Status::unimplemented("Bad binaries are not supported, use worker deployments instead"));
    }
    for (name, alias) in config.custom_search_attribute_aliases {
        if alias.is_empty() {
            stored.search_attributes.remove(&name);
        } else if alias != name || !stored.search_attributes.contains_key(&name) {
            return Err(status::invalid(format!(
                "Search attribute {name} cannot have an alias: each has one name, given with AddSearchAttributes."
            )));
        }
    }
    Ok(())
}
