"""Whether connection, namespace and task queue are as the project needs them."""

from __future__ import annotations

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from health_check.checks import CHECK_MAX, Finding, Target, all_of
from set_up.project import Project, Settings


async def findings(project: Project) -> list[Finding]:
    """The processes, the server's health, and the workers of the task queue."""
    settings = project.settings()
    processes = [
        Finding(f"{name} process", "" if project.process_id(name) else f"not running: {name}", 0.0)
        for name in ("server", "worker")
    ]
    target = Target(settings.address, settings.http_url, settings.namespace, settings.perdure)
    return processes + await all_of(target) + [await _task_queue(settings)]


async def _task_queue(settings: Settings) -> Finding:
    name = f"task queue {settings.task_queue}"
    try:
        client = await Client.connect(settings.address, namespace=settings.namespace)
        request = DescribeTaskQueueRequest(
            namespace=settings.namespace,
            task_queue=TaskQueue(name=settings.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        answer = await client.workflow_service.describe_task_queue(request, timeout=CHECK_MAX)
    except Exception as error:  # A connection that fails is told by a RuntimeError, a call by an RPCError.
        return Finding(name, str(error).splitlines()[0], 0.0)
    return Finding(name, "" if answer.pollers else "nobody polls it: worker", 0.0)
