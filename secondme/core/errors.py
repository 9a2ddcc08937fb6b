"""What can go wrong, by cause and not by place.

    SecondmeError
    |- ConfigError        what the owner wrote down is wrong              exit 78
    |- CredentialsError   a human must act: a key is missing or refused   exit 77
    |- UnavailableError   a needed service is down: try again later       exit 69
    |- BusyError          somebody else is at it: try again now           exit 75
    |- NotFoundError      what was named does not exist                   exit 65
    `- DataError          what was given or stored cannot be read         exit 65

Expected outcomes (a stranger was refused, a reply was held) are values, never one of these. A library's error is wrapped where
the library is imported, with `from`. Nothing here is ever sent to a contact.
"""


class SecondmeError(Exception):
    """Something failed for a known cause. `code` is stable for scripts, `message` and `fix` are for a person.

    `code` is snake_case and part of the JSON contract; `fix` is a command to type or one sentence.
    """

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix


class ConfigError(SecondmeError):
    """The settings, the directories or the persona file are not usable as they are."""


class CredentialsError(SecondmeError):
    """A key is missing or was refused; waiting does not help, a human must act."""


class UnavailableError(SecondmeError):
    """A needed service does not answer. The same call may succeed later; `retry_after_s` says when, if it is known."""

    def __init__(self, code: str, message: str, fix: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(code, message, fix)
        self.retry_after_s = retry_after_s


class BusyError(SecondmeError):
    """Another process or another decision was faster; trying again is safe."""


class NotFoundError(SecondmeError):
    """The contact, code or record that was named does not exist."""


class DataError(SecondmeError):
    """Input or a stored record cannot be read. The record is left exactly as it is."""
