"""How much is enough? The full numbers that documents name with `WHOLE_TESTS=1` (`nox -s whole`); else as many as show the same in a fraction of the time."""

import os

IS_WHOLE = os.environ.get("WHOLE_TESTS") == "1"


def sized(whole: int, quick: int) -> int:
    """`whole` where time does not matter, else `quick`."""
    return whole if IS_WHOLE else quick
