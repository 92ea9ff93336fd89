"""How a process of Springtide sets its interpreter."""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""A thread beside the loop's must not wait long for its slice."""
GC_THRESHOLDS: Final = (50_000, 20, 50)
"""Rows and records live long and refer to nothing that could come back to them: looking for cycles among them
every few hundred allocations is a tenth of the time."""


def tune() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
