"""Draws a PNG with the standard library: a gradient with a text's hash as its colours."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

FORBIDDEN = {"gore", "weapon"}


@dataclass
class ImageOrder:
    """What to draw; `second` is how long the workflow's second lasts (less than 1.0 only to show it quickly)."""

    prompt: str
    size: int
    folder: str
    second: float = 1.0


@dataclass
class Image:
    """Where the image is, what its hash is, and from which row the successful attempt went on."""

    path: str
    sha256: str
    resumed_at_row: int


@activity.defn
def check_content_safety(order: ImageOrder) -> None:
    """A prompt that is not safe will not become safe by another attempt."""
    bad = FORBIDDEN & set(order.prompt.lower().split())
    if bad:
        raise ApplicationError(f"not drawn: {', '.join(sorted(bad))}", type="UnsafeContent", non_retryable=True)


def pixels(order: ImageOrder, row: int) -> bytes:
    """One line of the image: a filter byte, then red, green and blue of each pixel."""
    red, green, blue = hashlib.sha256(order.prompt.encode()).digest()[:3]
    line = bytearray([0])
    for column in range(order.size):
        line += bytes([(red + row) % 256, (green + column) % 256, blue])
    return bytes(line)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: int, rows: bytes) -> bytes:
    """A square PNG file from its lines of pixels."""
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    body = zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


@activity.defn
def generate_image(order: ImageOrder) -> Image:
    """Draws row by row and heartbeats each; the first attempt dies in the middle, the second goes on from there."""
    info = activity.info()
    first_row = info.heartbeat_details[0] if info.heartbeat_details else 0
    canvas = Path(order.folder, f"{info.workflow_id}.rows")
    with canvas.open("ab") as rows:
        rows.truncate(first_row * (1 + 3 * order.size))
        for row in range(first_row, order.size):
            rows.write(pixels(order, row))
            rows.flush()
            activity.heartbeat(row + 1)
            if info.attempt == 1 and row + 1 == order.size // 2:
                raise ApplicationError("out of memory", type="OutOfMemory")
    content = png(order.size, canvas.read_bytes())
    path = Path(order.folder, f"{info.workflow_id}.png")
    path.write_bytes(content)
    return Image(str(path), hashlib.sha256(content).hexdigest(), first_row)


@activity.defn
def store_image_metadata(image: Image) -> str:
    """Writes what is known about the image beside it."""
    path = Path(image.path).with_suffix(".json")
    path.write_text(json.dumps({"sha256": image.sha256, "bytes": Path(image.path).stat().st_size}))
    return path.name
