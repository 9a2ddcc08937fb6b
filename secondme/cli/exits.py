"""Which number does a process end with? The only place that says so. Numbers follow BSD's sysexits.h where it has one."""

from enum import IntEnum

from secondme.core.errors import (
    BusyError,
    ConfigError,
    CredentialsError,
    DataError,
    NotFoundError,
    SecondmeError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """Part of the contract with scripts."""

    DONE = 0
    NO = 1
    """It ran, and the answer is no: nothing runs, nobody answered."""
    USAGE = 2
    BAD_INPUT = 65
    UNAVAILABLE = 69
    BUG = 70
    BUSY = 75
    CREDENTIALS = 77
    CONFIG = 78
    INTERRUPTED = 130


def exit_code_of(error: SecondmeError) -> ExitCode:
    """The exit code of a cause."""
    match error:
        case ConfigError():
            return ExitCode.CONFIG
        case CredentialsError():
            return ExitCode.CREDENTIALS
        case UnavailableError():
            return ExitCode.UNAVAILABLE
        case BusyError():
            return ExitCode.BUSY
        case NotFoundError() | DataError():
            return ExitCode.BAD_INPUT
        case _:
            return ExitCode.BUG
