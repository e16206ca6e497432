"""Fifty workflows started at once and awaited together; each is found by its status afterwards."""

from __future__ import annotations

import asyncio

from batch.activities import Document, compress, count_words
from batch.workflows import BatchDocumentWorkflow
from runner.example import Example, Report, Stage, check, check_equal

SIZE = 50


async def run(stage: Stage) -> Report:
    stage.say(f"{SIZE} workflows at once")
    documents = [Document(number, "many words make a document " * (number + 1)) for number in range(SIZE)]
    handles = await asyncio.gather(*(_start(stage, document) for document in documents))
    figures = await asyncio.gather(*(handle.result() for handle in handles))
    check_equal([figure.number for figure in figures], list(range(SIZE)), "documents in order")
    check_equal([figure.words for figure in figures], [5 * (number + 1) for number in range(SIZE)], "words")
    check(all(0 < figure.compressed < 100 for figure in figures), "repeated words compress well")

    query = f"WorkflowType = 'BatchDocumentWorkflow' AND WorkflowId STARTS_WITH '{stage.id('batch')}'"

    async def completed() -> int:
        return (await stage.client.count_workflows(f"{query} AND ExecutionStatus = 'Completed'")).count

    await stage.until("counts the completed", completed, lambda count: count == SIZE)
    listed = [found.id async for found in stage.client.list_workflows(query, page_size=20)]
    check_equal(sorted(listed), sorted(handle.id for handle in handles), "ids in the list, three pages")
    return Report(handles[0], f"{SIZE} workflows, {sum(figure.words for figure in figures)} words")


async def _start(stage: Stage, document: Document):
    return await stage.client.start_workflow(
        BatchDocumentWorkflow.run,
        document,
        id=f"{stage.id('batch')}-{document.number}",
        task_queue=stage.task_queue,
    )


EXAMPLE = Example(
    name="batch",
    task_queue="project-ai-tasks",
    run=run,
    workflows=[BatchDocumentWorkflow],
    activities=[count_words, compress],
)
