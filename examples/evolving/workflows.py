"""The same workflow at three points of its life. A worker runs one of them at a time."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from evolving.activities import greet_plainly, greet_warmly

NAME = "EvolvingWorkflow"
PATCH = "warm-greeting"


async def _greet(activity, name: str) -> str:
    return await workflow.execute_activity(activity, name, start_to_close_timeout=timedelta(minutes=1))


class _Waits:
    """What all versions have in common: they wait for a signal before they greet."""

    def __init__(self) -> None:
        self._ready = False

    async def wait(self) -> None:
        await workflow.wait_condition(lambda: self._ready)


@workflow.defn(name=NAME)
class EvolvingWorkflowV1(_Waits):
    """The first version: greets plainly."""

    @workflow.run
    async def run(self, name: str) -> str:
        await self.wait()
        return await _greet(greet_plainly, name)

    @workflow.signal
    def go_on(self) -> None:
        self._ready = True


@workflow.defn(name=NAME)
class EvolvingWorkflowV2(_Waits):
    """The second version: new runs greet warmly, runs of the first version go on as they began."""

    @workflow.run
    async def run(self, name: str) -> str:
        warm = workflow.patched(PATCH)
        await self.wait()
        return await _greet(greet_warmly if warm else greet_plainly, name)

    @workflow.signal
    def go_on(self) -> None:
        self._ready = True


@workflow.defn(name=NAME)
class EvolvingWorkflowBroken(_Waits):
    """What must not be deployed while runs of the first version are open: changed without a patch."""

    @workflow.run
    async def run(self, name: str) -> str:
        await self.wait()
        return await _greet(greet_warmly, name)

    @workflow.signal
    def go_on(self) -> None:
        self._ready = True
