"""Every cause has its exit code, and one object per error carries what a script and a person need."""

import pytest

from secondme.cli.output import ExitCode, exit_code_of
from secondme.core import errors
from secondme.core.clock import SystemClock
from secondme.core.errors import BusyError, ConfigError, CredentialsError, DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.log import OutageLog, get_logger


@pytest.mark.parametrize(
    ("cause", "code"),
    [(ConfigError, 78), (CredentialsError, 77), (UnavailableError, 69), (BusyError, 75), (NotFoundError, 65), (DataError, 65)],
)
def test_every_cause_has_its_exit_code(cause: type[SecondmeError], code: int) -> None:
    assert exit_code_of(cause("x", "y")) == code
    (row,) = [line for line in (errors.__doc__ or "").splitlines() if cause.__name__ in line]
    assert row.endswith(f"exit {code}")


def test_no_cause_is_without_an_exit_code_of_its_own() -> None:
    assert {exit_code_of(cause("x", "y")) for cause in SecondmeError.__subclasses__()} == {65, 69, 75, 77, 78}
    assert exit_code_of(SecondmeError("x", "y")) == ExitCode.BUG == 70


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = UnavailableError("store_slow", "The store did not answer in time.", "secondme status", retry_after_s=2.5)
    assert (error.code, error.message, error.fix, error.retry_after_s) == (
        "store_slow",
        "The store did not answer in time.",
        "secondme status",
        2.5,
    )
    assert str(error) == error.message


async def test_the_real_clock_moves_on_and_sleeping_for_nothing_returns() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(-5)
    assert clock.monotonic() >= before
    assert abs(clock.now().timestamp() * 1000 - clock.now_ms()) < 60_000


def test_a_trouble_is_written_when_it_begins_changes_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    outage = OutageLog(get_logger("secondme.test"), "queue")
    outage.is_over()
    for code in ("store_disk_full",) * 1000 + ("store_unreachable",) * 1000:
        outage.goes_on(code)
    outage.is_over()
    outage.is_over()
    outage.goes_on("store_unreachable")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "queue_unavailable"),
        ("WARNING", "queue_unavailable"),
        ("INFO", "queue_available"),
        ("WARNING", "queue_unavailable"),
    ]
