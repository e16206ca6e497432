"""The end of a program that uses the SDK."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends the process at once. The SDK's threads let go of Python objects a moment after a call has ended; in an interpreter that is
    being taken down by then, that is a crash."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
