"""A child program that misbehaves, and who is running."""

import os
from pathlib import Path

from secondme.core.media.child import ChildProgram

LYING = ChildProgram("lying_child", (), timeout_s=60, most_bytes=100_000, folders=(str(Path(__file__).parent),))


def children() -> set[int]:
    """Processes that this one has started and not waited for. Linux only."""
    return {int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()}
