//! Lets in who has an API key, where keys are asked for.

use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::{api_keys::ApiKeys, status};

/// What load balancers and SDKs ask before they have shown who they are, as on Temporal's server.
const FREE: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo",
];

/// PERMISSION_DENIED for all others: to every method, also to one that does not exist.
#[derive(Clone)]
pub struct Authorize(pub ApiKeys);

#[derive(Clone)]
pub struct Authorized<S> {
    keys: ApiKeys,
    inner: S,
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { keys: self.0.clone(), inner }
    }
}

impl<S, B, C> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    C: Default,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<C>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if FREE.contains(&request.uri().path()) || self.keys.accept(request.headers()) {
            return Either::Left(self.inner.call(request));
        }
        Either::Right(ready(Ok(status::permission_denied("Request unauthorized.").into_http())))
    }
}
