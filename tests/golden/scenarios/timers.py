"""Timers."""

from commands import cancel_timer, complete, timer
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
