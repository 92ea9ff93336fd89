"""The proof from the logs alone: a second, naive implementation replays them and compares what stands there.

The naive models import nothing of `tables` or `agents`; nothing here reads RocksDB or the view.
"""

from springtide.app.verify.proof import verify
from springtide.app.verify.verdict import Verdict, Violation

__all__ = ["Verdict", "Violation", "verify"]
