"""A worker deployment, workers of its versions, and what routes workflows to them."""

import asyncio
import json
from typing import Any

import temporalio.api.workflowservice.v1 as ws
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentOptions, WorkerDeploymentVersion
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueKind, VersioningBehavior, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.service import RPCError

from stage import IDENTITY, NAMESPACE, Stage

PINNED = VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
AUTO_UPGRADE = VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE


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


async def routed(stage: Stage, *build_ids: str) -> Deployment:
    """These builds are known, and build 1 is the current version."""
    workers = Deployment(stage)
    await workers.known(*build_ids)
    await workers.current("1")
    return workers


async def started(stage: Stage, *build_ids: str, **fields: Any) -> Deployment:
    """The same, and the scenario's workflow has been started."""
    workers = await routed(stage, *build_ids)
    await stage.start(**fields)
    return workers
