"""Starts with an id that is in use or was."""

from temporalio.api.enums.v1 import WorkflowIdConflictPolicy as Conflict
from temporalio.api.enums.v1 import WorkflowIdReusePolicy as Reuse
from temporalio.api.workflow.v1 import OnConflictOptions

from commands import fail
from stage import Stage


async def conflict_fails(stage: Stage) -> None:
    await stage.start()
    await stage.answer(stage.start())
    await stage.finish()


async def same_request_twice(stage: Stage) -> None:
    await stage.start(request_id="request")
    await stage.answer(stage.start(request_id="request"))
    await stage.finish()
    await stage.answer(stage.start(request_id="request"))


async def conflict_uses_existing(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.start(workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
    await stage.signal()
    await stage.finish()


async def conflict_attaches_request(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.start(
        workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
        on_conflict_options=OnConflictOptions(attach_request_id=True),
    )
    await stage.signal()
    await stage.finish()


async def conflict_terminates_existing(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.start(workflow_id_conflict_policy=Conflict.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING)
    await stage.finish()


async def reuse_terminates_running(stage: Stage) -> None:
    await stage.start()
    await stage.next()
    await stage.start(workflow_id_reuse_policy=Reuse.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING)
    await stage.finish()


async def reuse_after_completion(stage: Stage) -> None:
    await stage.start()
    await stage.finish()
    failed_only = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
    await stage.answer(stage.start(workflow_id_reuse_policy=failed_only))
    await stage.answer(stage.start(workflow_id_reuse_policy=Reuse.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE))
    await stage.answer(stage.start(workflow_id_reuse_policy=Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE))
    await stage.finish()


async def reuse_after_failure(stage: Stage) -> None:
    await stage.start()
    await stage.next(fail())
    failed_only = Reuse.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
    await stage.answer(stage.start(workflow_id_reuse_policy=failed_only))
    await stage.finish()
