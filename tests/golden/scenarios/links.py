"""Links and metadata: where they are kept, and what calls answer with."""

from typing import Any

import temporalio.api.workflowservice.v1 as ws
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from temporalio.api.common.v1 import Link, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy as Conflict
from temporalio.api.sdk.v1 import UserMetadata, WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions

from commands import activity, cancel, child, command, complete, continue_as_new, fail, payload, payloads, timer
from stage import IDENTITY, NAMESPACE, Stage


def _link(name: str) -> Link:
    reference = Link.WorkflowEvent.EventReference(
        event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    )
    return Link(
        workflow_event=Link.WorkflowEvent(
            namespace="default", workflow_id=name, run_id="7d444840-9dc0-11d1-b245-5ffdce74fad2", event_ref=reference
        )
    )


def _say(stage: Stage, what: str, message: Message) -> None:
    stage.answers.append(f"{what}: {MessageToJson(message, indent=None, preserving_proto_field_name=True)}")


async def _start(stage: Stage, **fields: Any) -> None:
    request = ws.StartWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_id=stage.id,
        workflow_type=WorkflowType(name="golden"),
        task_queue=TaskQueue(name=stage.queue),
        identity=IDENTITY,
        **fields,
    )
    answer = await stage.rpc.start_workflow_execution(request)
    stage.note(stage.id, answer.run_id)
    _say(stage, f"started {answer.started}", answer.link)


async def _signal(stage: Stage, request_id: str, *links: Link) -> None:
    request = ws.SignalWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=stage.id),
        signal_name="signal",
        request_id=request_id,
        identity=IDENTITY,
        links=links,
    )
    # The link of the answer is not compared: Temporal 1.31 leaves it out.
    await stage.rpc.signal_workflow_execution(request)


async def _signal_with_start(stage: Stage, request_id: str, *links: Link) -> None:
    request = ws.SignalWithStartWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_id=stage.id,
        workflow_type=WorkflowType(name="golden"),
        task_queue=TaskQueue(name=stage.queue),
        signal_name="with start",
        request_id=request_id,
        identity=IDENTITY,
        links=links,
    )
    answer = await stage.rpc.signal_with_start_workflow_execution(request)
    stage.note(stage.id, answer.run_id)
    stage.answers.append(f"signaled with start, started {answer.started}")


async def _request_ids(stage: Stage) -> None:
    request = ws.DescribeWorkflowExecutionRequest(
        namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=stage.id)
    )
    answer = await stage.rpc.describe_workflow_execution(request)
    infos = answer.workflow_extended_info.request_id_infos
    for name in sorted(infos):
        if name.startswith("request"):
            _say(stage, name, infos[name])


async def links_of_start(stage: Stage) -> None:
    await _start(stage, request_id="request-1", links=[_link("one"), _link("two")])
    await _start(stage, request_id="request-1", links=[_link("three")])
    options = OnConflictOptions(attach_request_id=True, attach_links=True)
    use_existing = Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    await _start(
        stage,
        request_id="request-2",
        links=[_link("four")],
        workflow_id_conflict_policy=use_existing,
        on_conflict_options=options,
    )
    await _start(stage, request_id="request-3", links=[_link("five")], workflow_id_conflict_policy=use_existing)
    await _request_ids(stage)
    await stage.finish()


async def links_of_attach_during_task(stage: Stage) -> None:
    await _start(stage, request_id="request-1")
    task = await stage.task()
    options = OnConflictOptions(attach_request_id=True, attach_links=True)
    await _start(
        stage,
        request_id="request-2",
        links=[_link("one")],
        workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        on_conflict_options=options,
    )
    await _request_ids(stage)
    await stage.done(task, timer("timer", 100))
    await _request_ids(stage)
    await stage.finish()


async def links_of_start_that_terminates(stage: Stage) -> None:
    await _start(stage, request_id="request-1", links=[_link("one")])
    await _start(
        stage,
        request_id="request-2",
        links=[_link("two")],
        workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
    )
    await stage.finish()


async def links_of_signals(stage: Stage) -> None:
    await _start(stage)
    await _signal(stage, "request-1", _link("one"), _link("two"))
    await _signal(stage, "request-1", _link("three"))
    task = await stage.task()
    await _signal(stage, "request-2", _link("four"))
    await _request_ids(stage)
    await stage.done(task)
    await _signal_with_start(stage, "request-3", _link("five"))
    await _request_ids(stage)
    await stage.finish()


async def links_of_signal_with_start(stage: Stage) -> None:
    await _signal_with_start(stage, "request-1", _link("one"))
    await _signal_with_start(stage, "request-1", _link("two"))
    await _request_ids(stage)
    await stage.finish()


async def links_of_cancel_and_terminate(stage: Stage) -> None:
    await _start(stage)
    await stage.request_cancel(links=[_link("one")])
    request = ws.TerminateWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=stage.id),
        reason="enough",
        identity=IDENTITY,
        links=[_link("two"), _link("three")],
    )
    await stage.rpc.terminate_workflow_execution(request)


async def links_of_continued_run(stage: Stage) -> None:
    await _start(stage, request_id="request-1", links=[_link("one")])
    await stage.next(
        command(
            "continue_as_new_workflow_execution",
            workflow_type=WorkflowType(name="golden"),
            task_queue=TaskQueue(name=stage.queue),
        )
    )
    await stage.finish()


async def links_refused(stage: Stage) -> None:
    await _start(stage)
    await stage.answer(_signal(stage, "a", *[_link("x")] * 11))
    await stage.answer(_signal(stage, "b", _link("x" * 4000)))
    await stage.answer(_signal(stage, "c", Link()))
    await stage.answer(_signal(stage, "d", Link(workflow_event=Link.WorkflowEvent(namespace="default"))))
    await stage.answer(_signal(stage, "e", Link(batch_job=Link.BatchJob())))
    await stage.answer(_signal(stage, "f", Link(batch_job=Link.BatchJob(job_id="job"))))
    await stage.answer(stage.request_cancel(links=[Link()]))
    await stage.finish()


def _metadata(name: str) -> UserMetadata:
    return UserMetadata(summary=payload(f"summary of {name}"), details=payload(f"details of {name}"))


async def metadata_of_everything(stage: Stage) -> None:
    await _start(stage, user_metadata=_metadata("workflow"))
    commands = [
        timer("timer", 100),
        activity(stage.queue),
        child(f"{stage.id}-child", f"{stage.queue}-child"),
        command("record_marker", marker_name="marker", details={"key": payloads("value")}),
    ]
    for number, one in enumerate(commands):
        one.user_metadata.CopyFrom(_metadata(f"command {number}"))
    await stage.next(*commands)
    await stage.until("child_workflow_execution_started")
    finished = complete()
    finished.user_metadata.CopyFrom(_metadata("end"))
    await stage.done(await stage.task(f"{stage.queue}-child"), complete())
    await stage.until("child_workflow_execution_completed")
    await stage.next(finished)
    request = ws.DescribeWorkflowExecutionRequest(
        namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=stage.id)
    )
    answer = await stage.rpc.describe_workflow_execution(request)
    _say(stage, "config", answer.execution_config.user_metadata)


async def metadata_of_sdk(stage: Stage) -> None:
    await _start(stage)
    metadata = WorkflowTaskCompletedMetadata(
        core_used_flags=[1, 3], lang_used_flags=[2], sdk_name="golden", sdk_version="1.2.3"
    )
    await stage.next(timer("timer", 100), sdk_metadata=metadata)
    await stage.signal()
    await stage.next(sdk_metadata=WorkflowTaskCompletedMetadata(lang_used_flags=[4]))
    await stage.signal()
    task = await stage.task()
    for event in task.history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            _say(stage, "completed by", event.workflow_task_completed_event_attributes.sdk_metadata)
    await stage.done(task, complete())


async def metadata_of_ends(stage: Stage) -> None:
    await _start(stage, user_metadata=_metadata("workflow"))
    end = continue_as_new(stage.queue)
    end.user_metadata.CopyFrom(_metadata("next"))
    await stage.next(end)
    end = fail()
    end.user_metadata.CopyFrom(_metadata("failure"))
    await stage.next(end)
    await _start(stage)
    end = cancel()
    end.user_metadata.CopyFrom(_metadata("cancel"))
    await stage.next(end)
