//! `perdure operator …`

pub(crate) mod cluster;
pub(crate) mod namespace;
pub(crate) mod nexus_endpoint;
mod search_attribute;

use crate::commands::Group;

commands! {
    /// Administer a running server.
    OperatorCommand {
        /// Look at the server as a whole
        Cluster(Group<cluster::ClusterCommand>),
        /// Create, show, change and delete namespaces
        Namespace(Group<namespace::NamespaceCommand>),
        /// Add, show and remove custom search attributes
        SearchAttribute(Group<search_attribute::SearchAttributeCommand>),
        /// Where Nexus requests go
        Nexus(Group<NexusGroup>),
    }
}

commands! {
    /// Where Nexus requests go.
    NexusGroup {
        /// Create, show, change and delete Nexus endpoints
        Endpoint(Group<nexus_endpoint::EndpointCommand>),
    }
}
