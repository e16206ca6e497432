"""One document of a batch; the batch itself is many of these, started at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from batch.activities import Document, compress, count_words


@dataclass
class Figures:
    """What is known about one document."""

    number: int
    words: int
    compressed: int


@workflow.defn
class BatchDocumentWorkflow:
    @workflow.run
    async def run(self, document: Document) -> Figures:
        words, compressed = await asyncio.gather(
            workflow.execute_activity(count_words, document, start_to_close_timeout=timedelta(seconds=30)),
            workflow.execute_activity(compress, document, start_to_close_timeout=timedelta(seconds=30)),
        )
        return Figures(document.number, words, compressed)
