//! gRPC reflection (v1), for tools like `grpcurl`.
//!
//! Its tables are made from the descriptors of the whole API, 6 MB and more time than the rest of a start: the first call makes
//! them, so that a server that nobody asks has none. The older v1alpha would make all of them once more, for tools that know v1
//! as well.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use perdure_proto::DESCRIPTORS;
use tonic::{
    body::Body,
    codegen::http::{Request, Response},
    server::NamedService,
    service::Routes,
};
use tonic_reflection::server::Builder;
use tower::Service;

#[derive(Clone, Default)]
pub(crate) struct Reflection(Arc<OnceLock<Routes>>);

impl NamedService for Reflection {
    const NAME: &'static str = "grpc.reflection.v1.ServerReflection";
}

impl Service<Request<Body>> for Reflection {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Routes as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.get_or_init(routes).clone().call(request)
    }
}

fn routes() -> Routes {
    match Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS).build_v1() {
        Ok(service) => Routes::new(service).prepare(),
        Err(error) => {
            // Without a service the routes answer UNIMPLEMENTED.
            tracing::error!(%error, "gRPC reflection has no descriptors");
            Routes::default()
        }
    }
}
