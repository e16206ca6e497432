"""What an agent does when it wakes: files the notes that have come in."""

from __future__ import annotations

from pathlib import Path

from temporalio import activity


@activity.defn
def file_notes(folder: str) -> int:
    """Moves the notes of the inbox into the archive; returns how many that were."""
    inbox, archive = Path(folder) / "inbox", Path(folder) / "archive"
    archive.mkdir(exist_ok=True)
    notes = sorted(inbox.glob("*.txt"))
    for note in notes:
        note.replace(archive / note.name)
    return len(notes)
