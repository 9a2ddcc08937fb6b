"""How often is enough? The full counts, or with `--smoke` as few as walk through every measure once: those figures mean nothing."""

import sys

IS_SMOKE = "--smoke" in sys.argv[1:]


def count(full: int, smoke: int) -> int:
    """`full` for figures, `smoke` to see that every measure still runs."""
    return smoke if IS_SMOKE else full
