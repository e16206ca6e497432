"""Two small jobs on one document."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from temporalio import activity


@dataclass
class Document:
    """A document of the batch."""

    number: int
    text: str


@activity.defn
def count_words(document: Document) -> int:
    """Words separated by white space."""
    return len(document.text.split())


@activity.defn
def compress(document: Document) -> int:
    """Bytes after compression."""
    return len(zlib.compress(document.text.encode(), 9))
