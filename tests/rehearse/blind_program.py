"""The blind test of one kept run, as a command would begin it: the home's directory of runs, the run, and how many pairs."""

import asyncio
import sys
from pathlib import Path

from secondme.cli.blind_test import run_blind, show_blind
from secondme.cli.output import Screen
from secondme.core.rehearse.archive import RunArchive

with RunArchive(Path(sys.argv[1])).resume(sys.argv[2]) as file:
    summary = asyncio.run(run_blind(file, 0, int(sys.argv[3])))
show_blind(Screen(), summary, int(sys.argv[3]))
sys.exit(0 if summary.is_done else 3)
