//! The API is whole: all methods are there, with the options that the HTTP API is made from.

use perdure_proto::DESCRIPTORS;
use prost_reflect::DescriptorPool;

fn methods(service: &str) -> Vec<prost_reflect::MethodDescriptor> {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("the descriptors decode");
    let service = pool.get_service_by_name(service).expect("the service is there");
    service.methods().collect()
}

#[test]
fn every_method_of_the_api_is_there() {
    assert_eq!(methods("temporal.api.workflowservice.v1.WorkflowService").len(), 123);
    assert_eq!(methods("temporal.api.operatorservice.v1.OperatorService").len(), 12);
}

#[test]
fn http_routes_are_kept() {
    let routes = methods("temporal.api.workflowservice.v1.WorkflowService")
        .into_iter()
        .filter(|method| method.options().extensions().any(|(extension, _)| extension.full_name() == "google.api.http"))
        .count();
    assert_eq!(routes, 100);
}
