//! Which service a call is for.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures::future::Either;
use perdure_frontend::Frontend;
use perdure_proto::api::workflowservice::workflow_service_server::{SERVICE_NAME, WorkflowServiceServer};
use tonic::{
    body::Body,
    codegen::http::{Request, Response},
    service::Routes,
};
use tower::Service;

/// All services of the port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AllServices {
    /// Nearly all calls are for it: they spare the router, which takes the path apart and boxes each call and its body.
    pub(crate) workflow: WorkflowServiceServer<Frontend>,
    pub(crate) others: Routes,
}

impl Service<Request<Body>> for AllServices {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<
        <WorkflowServiceServer<Frontend> as Service<Request<Body>>>::Future,
        <Routes as Service<Request<Body>>>::Future,
    >;

    fn poll_ready(&mut self, _: &mut Context) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_for_workflows(request.uri().path()) {
            Either::Left(self.workflow.call(request))
        } else {
            Either::Right(self.others.call(request))
        }
    }
}

fn is_for_workflows(path: &str) -> bool {
    let method = path.strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE_NAME));
    method.is_some_and(|method| method.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let cases = [
            ("/temporal.api.workflowservice.v1.WorkflowService/PollWorkflowTaskQueue", true),
            ("/temporal.api.workflowservice.v1.WorkflowService/NoSuchMethod", true),
            ("/temporal.api.workflowservice.v1.WorkflowServices/PollWorkflowTaskQueue", false),
            ("/temporal.api.operatorservice.v1.OperatorService/ListSearchAttributes", false),
            ("/grpc.health.v1.Health/Check", false),
            ("/", false),
            ("", false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_for_workflows(path), expected, "{path}");
        }
    }
}
