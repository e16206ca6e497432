"""Child workflows, and what a workflow does to others."""

import asyncio

import temporalio.api.workflowservice.v1 as ws
from temporalio.api.common.v1 import Header, Memo, Priority, SearchAttributes, WorkflowExecution
from temporalio.api.enums.v1 import ParentClosePolicy, WorkflowIdReusePolicy
from temporalio.api.sdk.v1 import UserMetadata

from commands import (
    cancel,
    cancel_external,
    child,
    command,
    complete,
    continue_as_new,
    fail,
    failure,
    payload,
    retries,
    seconds,
    signal_external,
)
from stage import NAMESPACE, Stage


def _child(stage: Stage) -> str:
    return f"{stage.id}-child"


def _child_queue(stage: Stage) -> str:
    return f"{stage.id}-child-queue"


async def _with_child(stage: Stage, **attributes: object) -> ws.PollWorkflowTaskQueueResponse:
    """A parent that has seen its child start. Returns the child's first task."""
    await stage.start()
    await stage.next(child(_child(stage), _child_queue(stage), **attributes))
    await stage.next()
    return await stage.task(_child_queue(stage))


async def child_ok(stage: Stage) -> None:
    await stage.done(await _with_child(stage), complete())
    await stage.finish()


async def child_with_empty_maps(stage: Stage) -> None:
    empty = {"header": Header(), "memo": Memo(), "search_attributes": SearchAttributes()}
    await stage.done(await _with_child(stage, **empty), complete())
    await stage.finish()


async def child_fails(stage: Stage) -> None:
    await stage.done(await _with_child(stage), fail())
    await stage.finish()


async def child_cancels_itself(stage: Stage) -> None:
    await stage.done(await _with_child(stage), cancel())
    await stage.finish()


async def child_terminated(stage: Stage) -> None:
    task = await _with_child(stage)
    await stage.done(task)
    await stage.terminate(_child(stage))
    await stage.finish()


async def child_times_out(stage: Stage) -> None:
    await stage.done(await _with_child(stage, workflow_run_timeout=seconds(1)))
    await stage.finish()


async def child_retried(stage: Stage) -> None:
    task = await _with_child(stage, retry_policy=retries(2, 1))
    await stage.done(task, fail(failure("first")))
    await stage.done(await stage.task(_child_queue(stage)), complete())
    await stage.finish()


async def child_continues_as_new(stage: Stage) -> None:
    await stage.done(await _with_child(stage), continue_as_new(_child_queue(stage)))
    await stage.done(await stage.task(_child_queue(stage)), complete())
    await stage.finish()


async def child_id_in_use(stage: Stage) -> None:
    await stage.start(workflow_id=_child(stage))
    await stage.next()
    await stage.start()
    await stage.next(child(_child(stage), _child_queue(stage)))
    await stage.finish()


async def child_id_may_not_be_reused(stage: Stage) -> None:
    await stage.start(workflow_id=_child(stage))
    await stage.finish()
    await stage.start()
    refuse = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    await stage.next(child(_child(stage), _child_queue(stage), workflow_id_reuse_policy=refuse))
    await stage.finish()


async def child_canceled_by_parent(stage: Stage) -> None:
    task = await _with_child(stage)
    await stage.done(task)
    await stage.signal()
    await stage.next(cancel_external(_child(stage), child_only=True))
    await stage.done(await stage.task(_child_queue(stage)), cancel())
    await stage.closed(_child(stage))
    await stage.until("child_workflow_execution_canceled")
    await stage.until("external_workflow_execution_cancel_requested")
    await stage.terminate()


async def child_signaled_by_parent(stage: Stage) -> None:
    task = await _with_child(stage)
    await stage.done(task)
    await stage.signal()
    await stage.next(signal_external(_child(stage), child_only=True))
    await stage.next()
    await stage.done(await stage.task(_child_queue(stage)), complete())
    await stage.finish()


async def _parent_closes(stage: Stage, policy: ParentClosePolicy.ValueType) -> None:
    task = await _with_child(stage, parent_close_policy=policy)
    await stage.done(task)
    await stage.signal()
    await stage.finish()


async def parent_close_terminates_child(stage: Stage) -> None:
    await _parent_closes(stage, ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE)
    await stage.closed(_child(stage))


async def parent_close_by_default(stage: Stage) -> None:
    await _parent_closes(stage, ParentClosePolicy.PARENT_CLOSE_POLICY_UNSPECIFIED)
    await stage.closed(_child(stage))


async def parent_close_cancels_child(stage: Stage) -> None:
    await _parent_closes(stage, ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL)
    await stage.done(await stage.task(_child_queue(stage)), cancel())


async def parent_close_abandons_child(stage: Stage) -> None:
    await _parent_closes(stage, ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON)
    request = ws.SignalWorkflowExecutionRequest(
        namespace=NAMESPACE, workflow_execution=WorkflowExecution(workflow_id=_child(stage)), signal_name="still there"
    )
    await stage.rpc.signal_workflow_execution(request)
    await stage.done(await stage.task(_child_queue(stage)), complete())


async def parent_terminated(stage: Stage) -> None:
    await stage.done(await _with_child(stage))
    await stage.terminate()
    await stage.closed(_child(stage))


# Workflows that are not children.


async def _other(stage: Stage) -> str:
    """Another workflow that runs and has no task."""
    await stage.start(workflow_id=f"{stage.id}-other")
    await stage.next()
    return f"{stage.id}-other"


async def external_signal_ok(stage: Stage) -> None:
    other = await _other(stage)
    await stage.start()
    await stage.next(signal_external(other))
    await stage.until("workflow_execution_signaled", other)
    await stage.until("external_workflow_execution_signaled")
    await stage.finish()
    await stage.finish()


async def external_signal_not_found(stage: Stage) -> None:
    await stage.start()
    await stage.next(signal_external("no such workflow"))
    await stage.finish()


async def external_signal_closed(stage: Stage) -> None:
    other = await _other(stage)
    await stage.terminate(other)
    await stage.start()
    await stage.next(signal_external(other))
    await stage.finish()


async def external_signal_is_no_child(stage: Stage) -> None:
    other = await _other(stage)
    await stage.start()
    await stage.next(signal_external(other, child_only=True))
    await stage.finish()


async def external_signal_to_itself(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.next(signal_external(stage.id)))
    await stage.finish()


async def external_cancel_ok(stage: Stage) -> None:
    other = await _other(stage)
    await stage.start()
    await stage.next(cancel_external(other))
    await stage.until("workflow_execution_cancel_requested", other)
    await stage.until("external_workflow_execution_cancel_requested")
    await stage.finish()
    await stage.finish()


async def external_cancel_not_found(stage: Stage) -> None:
    await stage.start()
    await stage.next(cancel_external("no such workflow"))
    await stage.finish()


async def external_cancel_closed(stage: Stage) -> None:
    other = await _other(stage)
    await stage.terminate(other)
    await stage.start()
    await stage.next(cancel_external(other))
    await stage.finish()


async def external_cancel_to_itself(stage: Stage) -> None:
    await stage.start()
    itself = command("request_cancel_external_workflow_execution", workflow_id=stage.id)
    await stage.answer(stage.next(itself))
    await stage.finish()


# Children and ends of their parents.


async def child_outlives_continue_as_new(stage: Stage) -> None:
    abandon = ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON
    await stage.done(await _with_child(stage, parent_close_policy=abandon))
    await stage.signal()
    await stage.next(continue_as_new(stage.queue))
    await stage.done(await stage.task(), complete())
    await stage.terminate(_child(stage))


async def child_and_continue_as_new(stage: Stage) -> None:
    await stage.done(await _with_child(stage))
    await stage.signal()
    await stage.next(continue_as_new(stage.queue))
    await stage.closed(_child(stage))
    await stage.finish()


async def parent_times_out(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(2))
    await stage.next(child(_child(stage), _child_queue(stage)))
    await stage.next()
    await stage.closed()
    await stage.closed(_child(stage))


async def child_with_everything(stage: Stage) -> None:
    started = child(
        _child(stage),
        _child_queue(stage),
        header=Header(fields={"header": payload("header")}),
        memo=Memo(fields={"memo": payload("memo")}),
        search_attributes=SearchAttributes(indexed_fields={"GoldenKeyword": payload("value")}),
        workflow_execution_timeout=seconds(50),
        workflow_run_timeout=seconds(60),
        workflow_task_timeout=seconds(70),
        retry_policy=retries(3, 1),
        control="control",
        priority=Priority(priority_key=4),
    )
    started.user_metadata.CopyFrom(UserMetadata(summary=payload("summary")))
    await stage.start(priority=Priority(priority_key=2, fairness_key="key"))
    await stage.next(started)
    await stage.next()
    await stage.done(await stage.task(_child_queue(stage)), complete())
    await stage.finish()


async def child_of_child(stage: Stage) -> None:
    task = await _with_child(stage)
    grandchild_queue = f"{stage.id}-grandchild-queue"
    await stage.done(task, child(f"{stage.id}-grandchild", grandchild_queue))
    await stage.done(await stage.task(_child_queue(stage)))
    await stage.done(await stage.task(grandchild_queue), complete())
    await stage.done(await stage.task(_child_queue(stage)), complete())
    await stage.finish()


async def child_ends_during_task(stage: Stage) -> None:
    child_task = await _with_child(stage)
    await stage.signal()
    task = await stage.task()
    await stage.done(child_task, complete())
    await stage.closed(_child(stage))
    await asyncio.sleep(1)
    await stage.done(task)
    await stage.finish()


async def child_canceled_before_start(stage: Stage) -> None:
    await stage.start()
    await stage.answer(
        stage.next(child(_child(stage), _child_queue(stage)), cancel_external(_child(stage), child_only=True))
    )
    await stage.finish()


async def child_with_start_delay_by_cron(stage: Stage) -> None:
    await stage.start()
    await stage.next(child(_child(stage), _child_queue(stage), cron_schedule="@every 2s"))
    await stage.next()
    await stage.done(await stage.task(_child_queue(stage)), complete("first"))
    await stage.task(_child_queue(stage))
    await stage.terminate(_child(stage))
    await stage.finish()
