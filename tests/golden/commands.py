"""Commands and messages that the scripted worker answers its tasks with."""

from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import ActivityType, Payload, Payloads, RetryPolicy, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import ApplicationFailureInfo, CanceledFailureInfo, Failure
from temporalio.api.protocol.v1 import Message as ProtocolMessage
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.update.v1 import Acceptance, Outcome, Rejection, Request, Response


def seconds(count: float) -> Duration:
    return Duration(seconds=int(count), nanos=round((count - int(count)) * 1e9))


def payload(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=f'"{text}"'.encode())


def payloads(*texts: str) -> Payloads:
    return Payloads(payloads=[payload(text) for text in texts])


def failure(message: str, kind: str = "Kind", *, final: bool = False, retry_delay: float | None = None) -> Failure:
    info = ApplicationFailureInfo(type=kind, non_retryable=final)
    if retry_delay is not None:
        info.next_retry_delay.CopyFrom(seconds(retry_delay))
    return Failure(message=message, source="golden", application_failure_info=info)


def canceled() -> Failure:
    return Failure(message="canceled", canceled_failure_info=CanceledFailureInfo())


def retries(attempts: int = 0, interval: float = 0.2, **fields: Any) -> RetryPolicy:
    policy = RetryPolicy(initial_interval=seconds(interval), backoff_coefficient=1, maximum_attempts=attempts, **fields)
    return policy


def command(kind: str, **attributes: Any) -> Command:
    """The command `kind` in lower case, its attributes as keywords."""
    field = f"{kind}_command_attributes"
    built = Command(command_type=CommandType.Value(f"COMMAND_TYPE_{kind.upper()}"))
    getattr(built, field).SetInParent()
    getattr(built, field).MergeFrom(type(getattr(built, field))(**attributes))
    return built


# Closing the run.


def complete(text: str = "result") -> Command:
    return command("complete_workflow_execution", result=payloads(text))


def fail(of: Failure | None = None) -> Command:
    return command("fail_workflow_execution", failure=of or failure("the workflow failed"))


def cancel() -> Command:
    return command("cancel_workflow_execution", details=payloads("details"))


def continue_as_new(queue: str, **attributes: Any) -> Command:
    attributes.setdefault("input", payloads("next"))
    return command(
        "continue_as_new_workflow_execution",
        workflow_type=WorkflowType(name="golden"),
        task_queue=TaskQueue(name=queue),
        **attributes,
    )


# Work within the run.


def timer(timer_id: str, after: float) -> Command:
    return command("start_timer", timer_id=timer_id, start_to_fire_timeout=seconds(after))


def cancel_timer(timer_id: str) -> Command:
    return command("cancel_timer", timer_id=timer_id)


def activity(queue: str, activity_id: str = "activity", **attributes: Any) -> Command:
    """A try of an activity: one attempt and ten seconds, unless `attributes` say otherwise."""
    if not any(name.endswith("close_timeout") for name in attributes):
        attributes["start_to_close_timeout"] = seconds(10)
    attributes.setdefault("retry_policy", retries(1))
    return command(
        "schedule_activity_task",
        activity_id=activity_id,
        activity_type=ActivityType(name="act"),
        task_queue=TaskQueue(name=queue),
        input=payloads("input"),
        **attributes,
    )


def cancel_activity(scheduled_event_id: int) -> Command:
    return command("request_cancel_activity_task", scheduled_event_id=scheduled_event_id)


def child(workflow_id: str, queue: str, **attributes: Any) -> Command:
    return command(
        "start_child_workflow_execution",
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name="child"),
        task_queue=TaskQueue(name=queue),
        input=payloads("for the child"),
        **attributes,
    )


def signal_external(workflow_id: str, *, child_only: bool = False) -> Command:
    return command(
        "signal_external_workflow_execution",
        execution=WorkflowExecution(workflow_id=workflow_id),
        signal_name="outside",
        input=payloads("hello"),
        control="control",
        child_workflow_only=child_only,
    )


def cancel_external(workflow_id: str, *, child_only: bool = False) -> Command:
    return command(
        "request_cancel_external_workflow_execution",
        workflow_id=workflow_id,
        reason="no longer needed",
        child_workflow_only=child_only,
    )


# Answers to updates. Each is a message and the command that gives it its place among the commands.


def _answer(request: ProtocolMessage, suffix: str, body: Message) -> ProtocolMessage:
    packed = AnyMessage()
    packed.Pack(body)
    return ProtocolMessage(
        id=f"{request.protocol_instance_id}/{suffix}", protocol_instance_id=request.protocol_instance_id, body=packed
    )


def place(message: ProtocolMessage) -> Command:
    return command("protocol_message", message_id=message.id)


def accept(request: ProtocolMessage) -> ProtocolMessage:
    body = Acceptance(accepted_request_message_id=request.id, accepted_request_sequencing_event_id=request.event_id)
    body.accepted_request.CopyFrom(_request(request))
    return _answer(request, "accept", body)


def reject(request: ProtocolMessage) -> ProtocolMessage:
    body = Rejection(
        rejected_request_message_id=request.id,
        rejected_request_sequencing_event_id=request.event_id,
        failure=failure("not now"),
    )
    body.rejected_request.CopyFrom(_request(request))
    return _answer(request, "reject", body)


def respond(request: ProtocolMessage, of: Failure | None = None) -> ProtocolMessage:
    outcome = Outcome(failure=of) if of else Outcome(success=payloads("updated"))
    return _answer(request, "complete", Response(meta=_request(request).meta, outcome=outcome))


def _request(message: ProtocolMessage) -> Request:
    request = Request()
    message.body.Unpack(request)
    return request


def nexus_operation(endpoint: str, **attributes: Any) -> Command:
    attributes.setdefault("operation", "operation")
    return command(
        "schedule_nexus_operation", endpoint=endpoint, service="service", input=payload("input"), **attributes
    )


def cancel_nexus_operation(scheduled_event_id: int) -> Command:
    return command("request_cancel_nexus_operation", scheduled_event_id=scheduled_event_id)
