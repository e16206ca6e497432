"""Workflows that are paused: what is held back, what still happens, and what is refused.

The real server must be started with `--dynamic-config-value frontend.WorkflowPauseEnabled=true` to record these. Here no run
is paused while its task waits for a worker, or for the end of a delay: Temporal 1.31 forgets the task, later versions, as
Perdure, fail it with the pause. Nor does a task complete while its run is paused: Temporal 1.31 then forgets the pause. All
this is in the engine's own tests.
"""

import asyncio
import uuid

import temporalio.api.workflowservice.v1 as ws
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import QueryRejectCondition, WorkflowExecutionStatus
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy as Conflict
from temporalio.api.query.v1 import WorkflowQuery

from commands import activity, failure, retries, seconds, timer
from stage import IDENTITY, NAMESPACE, Stage


def _pause(stage: Stage, request_id: str = "pause", reason: str = "look into it"):
    return stage.rpc.pause_workflow_execution(
        ws.PauseWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_id=stage.id, identity=IDENTITY, reason=reason, request_id=request_id
        )
    )


def _unpause(stage: Stage):
    return stage.rpc.unpause_workflow_execution(
        ws.UnpauseWorkflowExecutionRequest(
            namespace=NAMESPACE, workflow_id=stage.id, identity=IDENTITY, reason="go on", request_id=str(uuid.uuid4())
        )
    )


async def _describe(stage: Stage) -> None:
    """Records what describe says about the pause."""
    request = ws.DescribeWorkflowExecutionRequest(
        namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=stage.id)
    )
    answer = await stage.rpc.describe_workflow_execution(request)
    info, pause = answer.workflow_execution_info, answer.workflow_extended_info.pause_info
    # Without a pause Temporal has the attribute with nothing in it, Perdure has none.
    found = info.search_attributes.indexed_fields["TemporalPauseInfo"].data.decode().replace("null", "")
    task = answer.HasField("pending_workflow_task")
    status = WorkflowExecutionStatus.Name(info.status).removeprefix("WORKFLOW_EXECUTION_STATUS_")
    stage.answers.append(f"{status} by {pause.identity!r}: {pause.reason!r}, {found!r}, task: {task}")


async def _query(stage: Stage, reject: QueryRejectCondition.ValueType) -> None:
    request = ws.QueryWorkflowRequest(
        namespace=NAMESPACE,
        execution=WorkflowExecution(workflow_id=stage.id),
        query=WorkflowQuery(query_type="state"),
        query_reject_condition=reject,
    )
    answer = await stage.rpc.query_workflow(request)
    stage.answers.append(f"query rejected: {answer.query_rejected.status}")




async def paused_and_unpaused_during_task(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await _pause(stage)
    await _unpause(stage)
    await _describe(stage)
    await stage.done(task)
    await stage.finish()


async def paused_between_tasks(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 1))
    await _pause(stage)
    await stage.signal()
    await stage.until("timer_fired")
    await _describe(stage)
    await _unpause(stage)
    await stage.finish()




async def paused_during_task_that_fails(stage: Stage) -> None:
    await stage.start()
    task = await stage.task()
    await _pause(stage)
    await stage.fail_task(task, failure("oh"))
    await _describe(stage)
    await _unpause(stage)
    await stage.finish()





async def paused_activity_goes_on(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue))
    running = await stage.activity_task()
    await _pause(stage)
    await stage.heartbeat(running)
    await stage.complete_activity(running)
    await _describe(stage)
    await _unpause(stage)
    await stage.finish()


async def paused_activity_is_retried_later(stage: Stage) -> None:
    await stage.start()
    await stage.next(activity(stage.queue, retry_policy=retries(3)))
    running = await stage.activity_task()
    await _pause(stage)
    await stage.fail_activity(running, failure("once"))
    await asyncio.sleep(1)
    await _unpause(stage)
    await stage.complete_activity(await stage.activity_task())
    await stage.finish()



async def paused_and_canceled(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await _pause(stage)
    await stage.request_cancel()
    await _describe(stage)
    await _unpause(stage)
    await stage.finish()


async def paused_and_terminated(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await _pause(stage)
    await stage.terminate()
    await _describe(stage)
    await stage.answer(_unpause(stage))


async def paused_and_timed_out(stage: Stage) -> None:
    await stage.start(workflow_run_timeout=seconds(2))
    await stage.next()
    await _pause(stage)
    await stage.until("workflow_execution_timed_out")
    await _describe(stage)




async def paused_and_reset(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 100))
    await _pause(stage)
    await stage.signal()
    answer = await stage.rpc.reset_workflow_execution(
        ws.ResetWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=stage.id),
            reason="once more",
            workflow_task_finish_event_id=4,
            request_id=str(uuid.uuid4()),
        )
    )
    stage.note(stage.id, answer.run_id)
    await _describe(stage)
    await stage.finish()



async def paused_and_started_again(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await _pause(stage)
    await stage.answer(stage.start(request_id="second"))
    await stage.start(
        request_id="third", workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
    )
    await stage.signal_with_start()
    await _describe(stage)
    await stage.start(
        request_id="fourth", workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    )
    await _describe(stage)
    await stage.finish()


async def pause_refused(stage: Stage) -> None:
    await stage.answer(_pause(stage))
    await stage.answer(_unpause(stage))
    await stage.start()
    await stage.next()
    await stage.answer(_unpause(stage))
    await stage.answer(_pause(stage, reason="x" * 1001))
    await stage.answer(_pause(stage, request_id="x" * 1001))
    await stage.answer(_pause(stage))
    await stage.answer(_pause(stage))
    await stage.answer(_pause(stage, request_id="other"))
    for reject in (0, 1, 2, 3):
        await _query(stage, reject)
    await stage.answer(stage.update("update"))
    await _unpause(stage)
    await stage.answer(_unpause(stage))
    await stage.next()
    await stage.answer(_pause(stage, reason=""))
    await _describe(stage)
    await _unpause(stage)
    await stage.finish()
    await stage.answer(_pause(stage))
    await stage.answer(_unpause(stage))
