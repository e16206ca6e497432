"""Worker versioning: runs that are pinned or upgraded, overrides, and what children and next runs inherit."""

import asyncio
import json
from typing import Any

import temporalio.api.workflowservice.v1 as ws
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import Priority, WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentOptions, WorkerDeploymentVersion
from temporalio.api.enums.v1 import (
    ContinueAsNewVersioningBehavior,
    RoutingConfigUpdateState,
    TaskQueueKind,
    VersioningBehavior,
    WorkerVersioningMode,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.service import RPCError

from commands import accept, activity, child, complete, continue_as_new, fail, failure, place, respond, retries
from stage import IDENTITY, NAMESPACE, Stage

PINNED = VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
AUTO_UPGRADE = VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE
UNSPECIFIED = VersioningBehavior.VERSIONING_BEHAVIOR_UNSPECIFIED


class Deployment:
    """The worker deployment of a scenario, with its id as name, and workers of its versions."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def version(self, build_id: str) -> WorkerDeploymentVersion:
        return WorkerDeploymentVersion(deployment_name=self.stage.id, build_id=build_id)

    def options(self, build_id: str) -> WorkerDeploymentOptions:
        return WorkerDeploymentOptions(
            deployment_name=self.stage.id,
            build_id=build_id,
            worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED,
        )

    def pinned(self, build_id: str) -> VersioningOverride:
        pinned = VersioningOverride.PinnedOverride(
            behavior=VersioningOverride.PinnedOverrideBehavior.PINNED_OVERRIDE_BEHAVIOR_PINNED,
            version=self.version(build_id),
        )
        return VersioningOverride(pinned=pinned)

    async def known(self, *build_ids: str) -> None:
        """Workers of these builds have polled for workflow tasks and for activities."""
        for build_id in build_ids:
            polls = [
                asyncio.ensure_future(self._poll_workflow(build_id)),
                asyncio.ensure_future(self._poll_activity(build_id)),
            ]
            while not await self._has_both_queues(build_id):
                await asyncio.sleep(0.1)
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)

    async def _has_both_queues(self, build_id: str) -> bool:
        request = ws.DescribeWorkerDeploymentVersionRequest(
            namespace=NAMESPACE, deployment_version=self.version(build_id)
        )
        try:
            answer = await self.stage.rpc.describe_worker_deployment_version(request)
        except RPCError:
            return False
        return len(answer.version_task_queues) == 2

    async def current(self, build_id: str) -> None:
        request = ws.SetWorkerDeploymentCurrentVersionRequest(
            namespace=NAMESPACE, deployment_name=self.stage.id, build_id=build_id, identity=IDENTITY
        )
        await self.stage.rpc.set_worker_deployment_current_version(request)
        await self._routed()

    async def ramping(self, build_id: str, percentage: float) -> None:
        request = ws.SetWorkerDeploymentRampingVersionRequest(
            namespace=NAMESPACE,
            deployment_name=self.stage.id,
            build_id=build_id,
            percentage=percentage,
            identity=IDENTITY,
        )
        await self.stage.rpc.set_worker_deployment_ramping_version(request)
        await self._routed()

    async def _routed(self) -> None:
        request = ws.DescribeWorkerDeploymentRequest(namespace=NAMESPACE, deployment_name=self.stage.id)
        going_on = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
        while True:
            answer = await self.stage.rpc.describe_worker_deployment(request)
            if answer.worker_deployment_info.routing_config_update_state != going_on:
                return
            await asyncio.sleep(0.1)

    async def _poll_workflow(self, build_id: str) -> ws.PollWorkflowTaskQueueResponse:
        request = ws.PollWorkflowTaskQueueRequest(
            namespace=NAMESPACE,
            task_queue=TaskQueue(name=self.stage.queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
            identity=IDENTITY,
            deployment_options=self.options(build_id),
        )
        return await self.stage.rpc.poll_workflow_task_queue(request)

    async def _poll_activity(self, build_id: str) -> ws.PollActivityTaskQueueResponse:
        request = ws.PollActivityTaskQueueRequest(
            namespace=NAMESPACE,
            task_queue=TaskQueue(name=self.stage.queue),
            identity=IDENTITY,
            deployment_options=self.options(build_id),
        )
        return await self.stage.rpc.poll_activity_task_queue(request)

    async def task(self, build_id: str) -> ws.PollWorkflowTaskQueueResponse:
        while True:
            task = await self._poll_workflow(build_id)
            if task.task_token:
                return task

    async def activity_task(self, build_id: str) -> ws.PollActivityTaskQueueResponse:
        while True:
            task = await self._poll_activity(build_id)
            if task.task_token:
                return task

    async def done(
        self,
        task: ws.PollWorkflowTaskQueueResponse,
        build_id: str,
        behavior: VersioningBehavior.ValueType,
        *commands: Command,
        **fields: Any,
    ) -> None:
        fields.setdefault("deployment_options", self.options(build_id))
        await self.stage.done(task, *commands, versioning_behavior=behavior, **fields)

    async def next(
        self, build_id: str, behavior: VersioningBehavior.ValueType, *commands: Command, **fields: Any
    ) -> None:
        """A worker of this build takes the next task and completes it."""
        await self.done(await self.task(build_id), build_id, behavior, *commands, **fields)

    async def override(self, override: VersioningOverride | None, mask: str = "versioning_override") -> None:
        await self.options_updated(WorkflowExecutionOptions(versioning_override=override), mask)

    async def options_updated(self, options: WorkflowExecutionOptions, mask: str) -> None:
        request = ws.UpdateWorkflowExecutionOptionsRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=self.stage.id),
            workflow_execution_options=options,
            update_mask=FieldMask(paths=[mask]),
            identity=IDENTITY,
        )
        await self.stage.answer(self.stage.rpc.update_workflow_execution_options(request))

    async def described(self, workflow_id: str | None = None) -> None:
        """Notes what describe says about versioning, but for revisions, which count other things on each server."""
        request = ws.DescribeWorkflowExecutionRequest(
            namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=workflow_id or self.stage.id)
        )
        info = (await self.stage.rpc.describe_workflow_execution(request)).workflow_execution_info
        versioning = MessageToDict(info.versioning_info)
        versioning.pop("revisionNumber", None)
        ours = ("BuildIds", "Temporal")
        attributes = {
            name: payload.data.decode()
            for name, payload in sorted(info.search_attributes.indexed_fields.items())
            if name.startswith(ours) and payload.data != b"null"
        }
        told = {"versioning": versioning, "name": info.worker_deployment_name, "attributes": attributes}
        self.stage.answers.append(json.dumps(told, sort_keys=True).replace(self.stage.id, "<id>"))


async def pinned_stays_on_its_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", PINNED, activity(stage.queue, "a"))
    await workers.current("2")
    await stage.complete_activity(await workers.activity_task("1"))
    await workers.described()
    await workers.next("1", PINNED, complete())
    await workers.described()


async def auto_upgrade_moves_on(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE)
    await workers.described()
    await workers.current("2")
    await stage.signal()
    task = await workers.task("2")
    await workers.described()
    await workers.done(task, "2", AUTO_UPGRADE, complete())
    await workers.described()


async def auto_upgrade_moves_by_its_activity(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("2")
    await stage.signal()
    await workers.next("2", AUTO_UPGRADE, activity(stage.queue, "a"))
    await stage.complete_activity(await workers.activity_task("2"))
    await workers.next("2", AUTO_UPGRADE, complete())


async def activity_waits_for_the_transition(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    task = await workers.task("1")
    await workers.current("2")
    await workers.done(task, "1", AUTO_UPGRADE, activity(stage.queue, "a"))
    # Its worker is of the version that the workflow is to go to: the workflow goes first.
    waiting = asyncio.ensure_future(workers.activity_task("2"))
    await workers.next("2", AUTO_UPGRADE)
    await stage.complete_activity(await waiting)
    await workers.next("2", AUTO_UPGRADE, complete())


async def unversioned_becomes_versioned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await stage.start()
    await stage.next()
    await workers.described()
    await workers.current("1")
    await stage.signal()
    await workers.next("1", PINNED)
    await workers.described()
    await stage.signal()
    await workers.next("1", PINNED, complete())


async def versioned_becomes_unversioned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("")
    await stage.signal()
    await stage.next()
    await workers.described()
    await stage.signal()
    await stage.finish()


async def all_ramp_to_the_next_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await workers.ramping("2", 100)
    await stage.start()
    await workers.next("2", AUTO_UPGRADE, complete())


async def pinned_at_the_start(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start(versioning_override=workers.pinned("2"))
    await workers.described()
    await workers.next("2", AUTO_UPGRADE)
    await workers.described()
    await stage.signal()
    await workers.next("2", AUTO_UPGRADE, complete())


async def auto_upgrade_at_the_start(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await workers.current("1")
    await stage.signal_with_start(versioning_override=VersioningOverride(auto_upgrade=True))
    await workers.described()
    await workers.next("1", PINNED)
    await workers.described()
    await stage.signal()
    await workers.next("1", PINNED, complete())


async def pinned_to_an_unknown_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await stage.answer(stage.start(versioning_override=workers.pinned("9")))
    await stage.start()
    await workers.override(workers.pinned("9"))
    await stage.terminate()
    await workers.override(workers.pinned("9"))


async def pinned_by_an_operator(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE)
    await stage.signal()
    await workers.override(workers.pinned("2"))
    await workers.described()
    await workers.next("2", AUTO_UPGRADE)
    await workers.described()
    await workers.override(None)
    await workers.described()
    await stage.signal()
    await workers.next("1", AUTO_UPGRADE, complete())


async def pinned_while_a_worker_has_the_task(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", PINNED)
    await stage.signal()
    task = await workers.task("1")
    await workers.override(workers.pinned("2"))
    await workers.done(task, "1", PINNED)
    await stage.signal("again")
    await workers.next("2", PINNED, complete())
    await workers.described()


async def upgraded_by_an_operator(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", PINNED, activity(stage.queue, "a"))
    await workers.current("2")
    await workers.override(VersioningOverride(auto_upgrade=True))
    await workers.described()
    await stage.signal()
    await workers.next("2", PINNED)
    await stage.complete_activity(await workers.activity_task("2"))
    await workers.next("2", PINNED, complete())
    await workers.described()


async def options_updated(stage: Stage) -> None:
    workers = Deployment(stage)
    await stage.start()
    await workers.override(None)
    await workers.override(VersioningOverride(auto_upgrade=True))
    await workers.override(VersioningOverride(auto_upgrade=True))
    await workers.override(VersioningOverride(auto_upgrade=True), "versioning_override.behavior")
    await workers.options_updated(WorkflowExecutionOptions(priority=Priority(priority_key=2)), "priority")
    options = WorkflowExecutionOptions(priority=Priority(fairness_key="key"))
    await workers.options_updated(options, "priority.fairness_key")
    await workers.options_updated(WorkflowExecutionOptions(), "nothing")
    await workers.override(None)
    await stage.finish()


async def child_of_pinned_is_pinned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    task = await workers.task("1")
    await workers.current("2")
    await workers.done(task, "1", PINNED, child(f"{stage.id}-child", stage.queue))
    await _both(workers, "1", PINNED)
    await workers.next("1", PINNED, complete())


async def child_of_auto_upgrade_is_upgraded(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE, child(f"{stage.id}-child", stage.queue))
    await _both(workers, "1", AUTO_UPGRADE)
    await workers.next("1", AUTO_UPGRADE, complete())


async def _both(workers: Deployment, build_id: str, behavior: VersioningBehavior.ValueType) -> None:
    """The parent's task about the start of its child, and the child's, which ends it."""
    tasks = [await workers.task(build_id), await workers.task(build_id)]
    parent, started = sorted(tasks, key=lambda task: task.workflow_execution.workflow_id != workers.stage.id)
    await workers.done(parent, build_id, behavior)
    await workers.done(started, build_id, behavior, complete())


async def next_run_of_pinned_is_pinned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    task = await workers.task("1")
    await workers.current("2")
    await workers.done(task, "1", PINNED, continue_as_new(stage.queue))
    await workers.next("1", PINNED, complete())
    await workers.described()


async def next_run_of_pinned_is_upgraded(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    task = await workers.task("1")
    await workers.current("2")
    upgrade = ContinueAsNewVersioningBehavior.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_AUTO_UPGRADE
    await workers.done(task, "1", PINNED, continue_as_new(stage.queue, initial_versioning_behavior=upgrade))
    await workers.next("2", PINNED, complete())
    await workers.described()


async def next_run_keeps_the_override(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start(versioning_override=workers.pinned("2"))
    await workers.next("2", AUTO_UPGRADE, continue_as_new(stage.queue))
    await workers.next("2", AUTO_UPGRADE, complete())
    await workers.described()


async def retry_of_auto_upgrade(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await workers.current("1")
    await stage.start(retry_policy=retries(2, 1))
    await workers.next("1", AUTO_UPGRADE, fail(failure("first")))
    await workers.next("1", AUTO_UPGRADE, complete())


async def reset_of_pinned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    run_id = await stage.start()
    await workers.next("1", PINNED)
    await stage.signal()
    await workers.next("1", PINNED)
    await workers.override(workers.pinned("2"))
    await workers.described()
    await _reset(stage, run_id, 8)
    await workers.described()
    await workers.next("2", PINNED, complete())
    await workers.described()


async def reset_before_it_was_pinned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    run_id = await stage.start()
    await workers.next("1", PINNED)
    await workers.current("2")
    await _reset(stage, run_id, 4)
    await workers.described()
    await workers.next("2", PINNED, complete())
    await workers.described()


async def _reset(stage: Stage, run_id: str, event_id: int) -> None:
    request = ws.ResetWorkflowExecutionRequest(
        namespace=NAMESPACE,
        workflow_execution=WorkflowExecution(workflow_id=stage.id, run_id=run_id),
        reason="again",
        workflow_task_finish_event_id=event_id,
        request_id=f"{stage.id}-reset",
    )
    answer = await stage.rpc.reset_workflow_execution(request)
    stage.note(stage.id, answer.run_id)


async def update_on_another_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("2")
    update = asyncio.ensure_future(stage.update("move"))
    task = await workers.task("2")
    await workers.described()
    messages = [accept(task.messages[0]), respond(task.messages[0])]
    await workers.done(task, "2", AUTO_UPGRADE, *map(place, messages), messages=messages)
    stage.answers.append(await update)
    await workers.described()
    await stage.signal()
    await workers.next("2", AUTO_UPGRADE, complete())


async def independent_activity_of_pinned(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1")
    await workers.current("1")
    await stage.start()
    other = f"{stage.id}-other"
    await workers.next("1", PINNED, activity(other, "a"))
    await stage.complete_activity(await stage.activity_task(other))
    await workers.next("1", PINNED, complete())


async def task_fails_on_the_next_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", AUTO_UPGRADE)
    await workers.current("2")
    await stage.signal()
    await stage.fail_task(await workers.task("2"), failure("not ready"))
    await workers.described()
    await workers.current("1")
    await workers.next("1", AUTO_UPGRADE)
    await workers.described()
    await stage.signal()
    await workers.next("1", AUTO_UPGRADE, complete())


async def pinned_hears_of_the_next_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await workers.known("1", "2")
    await workers.current("1")
    await stage.start()
    await workers.next("1", PINNED)
    await workers.current("2")
    await stage.signal()
    await workers.next("1", PINNED, continue_as_new(stage.queue))
    await workers.next("1", PINNED)
    await stage.signal()
    await workers.next("1", PINNED, complete())


async def behavior_without_a_version(stage: Stage) -> None:
    workers = Deployment(stage)
    await stage.start()
    task = await stage.task()
    await stage.answer(stage.done(task, versioning_behavior=PINNED))
    unversioned = WorkerDeploymentOptions(
        deployment_name=stage.id,
        build_id="1",
        worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_UNVERSIONED,
    )
    await stage.answer(stage.done(task, versioning_behavior=PINNED, deployment_options=unversioned))
    await stage.done(task, deployment_options=unversioned)
    await workers.described()
    await stage.terminate()
