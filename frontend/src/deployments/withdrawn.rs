//! The two older ways to version workers, which Temporal has switched off for good.

use tonic::Status;

use crate::{Frontend, call::Call, status::permission_denied};

/// A request that names its namespace, which must be there before anything else is told.
pub(crate) trait Scoped {
    fn namespace(&self) -> &str;
}

macro_rules! scoped {
    ($($request:ident),+ $(,)?) => {
        $(impl Scoped for perdure_proto::api::workflowservice::$request {
            fn namespace(&self) -> &str {
                &self.namespace
            }
        })+
    };
}

scoped!(
    UpdateWorkerBuildIdCompatibilityRequest,
    GetWorkerBuildIdCompatibilityRequest,
    UpdateWorkerVersioningRulesRequest,
    GetWorkerVersioningRulesRequest,
    GetWorkerTaskReachabilityRequest,
);

pub(crate) async fn sets_are_disabled<Request: Scoped, Response>(
    frontend: &Frontend,
    _: &Call,
    request: Request,
) -> Result<Response, Status> {
    frontend.namespaces.resolve(request.namespace())?;
    Err(permission_denied("Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace."))
}

pub(crate) async fn rules_are_disabled<Request: Scoped, Response>(
    frontend: &Frontend,
    _: &Call,
    request: Request,
) -> Result<Response, Status> {
    frontend.namespaces.resolve(request.namespace())?;
    Err(permission_denied("Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace."))
}
