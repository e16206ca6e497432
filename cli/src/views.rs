//! The places that the views name are fields of the API.

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use crate::{
    activity, batch, nexus, operator,
    output::{Field, Section},
    schedule, task_queue, worker, workflow,
};

const SERVICE: &str = "temporal.api.workflowservice.v1";

/// The kind of the field at `at`, through lists and maps.
fn resolve(message: &MessageDescriptor, at: &str) -> Result<Kind, String> {
    let mut kind = Kind::Message(message.clone());
    let mut in_list = false;
    for part in at.split('/').skip(1) {
        let Kind::Message(message) = &kind else { return Err(format!("{at}: nothing is below {part}")) };
        if in_list && part.parse::<usize>().is_ok() {
            in_list = false;
            continue;
        }
        let field = message.fields().find(|field| field.json_name() == part);
        let field = field.ok_or_else(|| format!("{at}: {} has no {part}", message.full_name()))?;
        in_list = field.is_list();
        kind = field.kind();
    }
    Ok(kind)
}

fn check_fields(message: &MessageDescriptor, fields: &[Field]) -> Vec<String> {
    fields.iter().filter_map(|(_, at)| resolve(message, at).err()).collect()
}

fn check_sections(pool: &DescriptorPool, name: &str, sections: &[Section]) -> Vec<String> {
    let message = pool.get_message_by_name(name).expect(name);
    let check = |section: &Section| match resolve(&message, section.at) {
        Ok(Kind::Message(part)) => check_fields(&part, section.fields),
        Ok(_) => vec![format!("{name}: {} is no message", section.at)],
        Err(error) => vec![error],
    };
    sections.iter().flat_map(check).collect()
}

#[test]
fn sections_name_fields_of_the_answers() {
    let pool = DescriptorPool::decode(perdure_proto::DESCRIPTORS).expect("descriptors");
    let answer = |name: &str| format!("{SERVICE}.{name}Response");
    let cases: [(String, &[Section]); 17] = [
        (answer("DescribeWorkflowExecution"), workflow::describe::WORKFLOW),
        (answer("DescribeWorkflowExecution"), workflow::describe::RESET_POINTS),
        ("temporal.api.sdk.v1.WorkflowMetadata".to_owned(), workflow::message::METADATA),
        (answer("DescribeActivityExecution"), activity::list::ACTIVITY),
        (answer("UpdateActivityExecutionOptions"), activity::options::OPTIONS),
        (answer("DescribeSchedule"), schedule::list::SCHEDULE),
        (answer("DescribeBatchOperation"), batch::JOB),
        (answer("DescribeTaskQueue"), task_queue::CONFIG),
        (answer("UpdateTaskQueueConfig"), task_queue::CONFIG),
        (answer("ListTaskQueuePartitions"), task_queue::PARTITIONS),
        (answer("DescribeWorker"), worker::list::WORKER),
        (answer("DescribeWorkerDeployment"), worker::deployment_describe::DEPLOYMENT),
        (answer("DescribeWorkerDeploymentVersion"), worker::deployment_describe::VERSION),
        (answer("DescribeNexusOperationExecution"), nexus::OPERATION),
        (answer("DescribeNamespace"), operator::namespace::NAMESPACE),
        (answer("GetClusterInfo"), operator::cluster::INFO),
        (answer("GetSystemInfo"), operator::cluster::SYSTEM),
    ];
    let wrong: Vec<String> = cases.iter().flat_map(|(name, sections)| check_sections(&pool, name, sections)).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn columns_name_fields_of_the_entries() {
    let pool = DescriptorPool::decode(perdure_proto::DESCRIPTORS).expect("descriptors");
    let cases: [(&str, &[Field]); 13] = [
        ("temporal.api.workflow.v1.WorkflowExecutionInfo", workflow::list::WORKFLOWS),
        ("temporal.api.history.v1.HistoryEvent", workflow::show::EVENTS),
        ("temporal.api.activity.v1.ActivityExecutionListInfo", activity::list::ACTIVITIES),
        ("temporal.api.schedule.v1.ScheduleListEntry", schedule::list::SCHEDULES),
        ("temporal.api.schedule.v1.ScheduleListEntry", schedule::list::SCHEDULES_LONG),
        ("temporal.api.schedule.v1.ScheduleListEntry", schedule::list::SCHEDULES_REALLY_LONG),
        ("temporal.api.batch.v1.BatchOperationInfo", batch::JOBS),
        ("temporal.api.worker.v1.WorkerListInfo", worker::list::WORKERS),
        (
            "temporal.api.workflowservice.v1.ListWorkerDeploymentsResponse.WorkerDeploymentSummary",
            worker::deployment_describe::DEPLOYMENTS,
        ),
        ("temporal.api.nexus.v1.NexusOperationExecutionListInfo", nexus::OPERATIONS),
        ("temporal.api.nexus.v1.Endpoint", operator::nexus_endpoint::ENDPOINTS),
        ("temporal.api.workflowservice.v1.DescribeNamespaceResponse", operator::namespace::NAMESPACES),
        ("temporal.api.operatorservice.v1.ClusterMetadata", operator::cluster::CLUSTERS),
    ];
    let check = |(name, fields): &(&str, &[Field])| check_fields(&pool.get_message_by_name(name).expect(name), fields);
    let wrong: Vec<String> = cases.iter().flat_map(check).collect();
    assert_eq!(wrong, Vec::<String>::new());
}
