"""Timers."""

import asyncio

from temporalio.api.sdk.v1 import UserMetadata

from commands import cancel_timer, complete, payload, timer
from stage import Stage


async def timer_fires(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 1))
    await stage.finish()


async def timers_fire_in_turn(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("late", 2), timer("soon", 1))
    await stage.next()
    await stage.finish()


async def timer_canceled(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 100))
    await stage.signal()
    await stage.next(cancel_timer("timer"))
    await stage.signal()
    await stage.finish()


async def timer_canceled_in_its_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 100), cancel_timer("timer"), complete())


async def timer_id_again(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 1))
    await stage.next(timer("timer", 1))
    await stage.finish()


async def timer_open_at_close(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 1), complete())


async def timer_fires_during_task(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 1))
    await stage.signal()
    task = await stage.task()
    await asyncio.sleep(2)
    await stage.done(task)
    await stage.finish()


async def timer_canceled_after_it_fired(stage: Stage) -> None:
    await stage.start()
    await stage.next(timer("timer", 1))
    await stage.signal()
    task = await stage.task()
    await asyncio.sleep(2)
    await stage.done(task, cancel_timer("timer"))
    await stage.signal()
    await stage.finish()


async def timer_with_summary(stage: Stage) -> None:
    await stage.start()
    started = timer("timer", 1)
    started.user_metadata.CopyFrom(UserMetadata(summary=payload("summary")))
    await stage.next(started)
    await stage.finish()
