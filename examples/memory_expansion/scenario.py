"""Private memories: every payload in the history is encrypted, and the workflow does not notice."""

from __future__ import annotations

from memory_expansion import activities
from memory_expansion.activities import Conversation
from memory_expansion.codec import ENCODING, encrypted
from memory_expansion.workflows import MemoryExpansionWorkflow
from runner.example import Example, Report, Stage, check, check_equal, of_kind

LINES = ["hello", "please remember: tea at noon.", "no sugar", "remember the blue door at noon"]


async def run(stage: Stage) -> Report:
    stage.say("stores memories")
    handle = await stage.client.start_workflow(
        MemoryExpansionWorkflow.run,
        args=[Conversation(LINES, str(stage.work_dir)), 0.2],
        id=stage.id("memory"),
        task_queue=stage.task_queue,
    )
    index = await handle.result()
    check_equal((index["tea"], index["noon"], "sugar" in index), ([0], [0, 1], False), "the index")

    events = await stage.events(handle)
    attempts = [started.attempt for started in of_kind(events, "activity_task_started")]
    check_equal(attempts, [1, 3, 1], "attempts")
    started = of_kind(events, "workflow_execution_started")[0]
    check_equal([one.metadata["encoding"] for one in started.input.payloads], [ENCODING] * 2, "encoding of the input")
    stored = b"".join(event.SerializeToString() for event in events)
    check(b"sugar" not in stored and b"blue door" not in stored, "no plain text in the history")
    return Report(handle, f"2 memories, {len(index)} words, history encrypted")


EXAMPLE = Example(
    name="memory_expansion",
    task_queue="project-ai-memories",
    run=run,
    workflows=[MemoryExpansionWorkflow],
    activities=[
        activities.extract_memory_information,
        activities.store_memories,
        activities.update_memory_indexes,
    ],
    data_converter=encrypted("only the workers know this"),
)
