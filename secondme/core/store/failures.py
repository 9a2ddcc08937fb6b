"""What went wrong between us and the server, as one of our errors. What the server says about a key, a value or a user is never repeated."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIX_STORE = "secondme doctor store"
"""Not `status`: it reads the same store, and would send whoever typed it in a circle."""
_LATER = "Try again in a moment."
_MOST_CAUSES = 8
_COMMAND = re.compile(r"run the '([a-z|]{1,40})' command")
_OF_KEYS, _OF_CHANNELS = "access a key", "access a channel"
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
_NO_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
_URL = "Correct it: secondme config set redis_url"
_DATABASE = "DB index is out of range"
_ONE_DATABASE = "SELECT is not allowed in cluster mode"
_NO_SELECT = "unknown command 'SELECT'"


def explain(error: BaseException) -> SecondmeError:
    """The library's `error` as one of ours."""
    if isinstance(error, SecondmeError):
        return error
    for each in _causes(error):
        if found := _of_connecting(each):
            return found
    if isinstance(error, RedisConnectionError) and isinstance(error.__cause__, RedisError | SecondmeError):
        return explain(error.__cause__)  # what the server said to a new connection, or we of it
    text = str(error).rpartition(_IN_A_PIPELINE)[2]
    if isinstance(error, NoPermissionError) or (isinstance(error, ResponseError) and "ACL failure in script" in text):
        return _forbidden(text)
    for kinds, beginning, ours, code, message, fix in _CAUSES:
        if isinstance(error, kinds) and text.startswith(beginning):
            return ours(code, message, fix)
    if type(error) is ResponseError and (text.startswith(_OF_A_RECORD) or _IN_A_SCRIPT in text):
        return DataError(
            "record_unusable", "A record in the store is of another kind than it must be; it was left as it is.", FIX_STORE
        )
    return UnavailableError("store_failed", f"The store failed ({type(error).__name__}).", FIX_STORE)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what led to it. The library drops a cause where it makes an error of its own of one, and keeps the context."""
    each: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if not isinstance(each, RedisError | OSError):
            return
        yield each
        each = each.__cause__ or each.__context__


def _of_connecting(error: BaseException) -> SecondmeError | None:
    """Why no connection came about, where the address is at fault."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(
            "store_untrusted",
            f"The certificate of the store's server is not trusted ({error.verify_message or 'unknown authority'}).",
            "Name the authority that signed it: SSL_CERT_FILE=/path/ca.pem, or ?ssl_ca_certs=/path/ca.pem at the end of redis_url.",
        )
    if isinstance(error, ssl.SSLError):
        if any(word in str(error) for word in _NOT_TLS):
            return without_tls()
        if any(word in str(error) for word in _NO_CERTIFICATE):
            return wants_certificate()
    text = str(error)
    if isinstance(error, RedisError):
        if _DATABASE in text:
            return ConfigError("store_no_database", "The store's server has no database with the number in redis_url.", _URL)
        if _ONE_DATABASE in text:
            return ConfigError("store_no_database", "A Redis Cluster has no database but 0, and redis_url names another.", _URL)
        if _NO_SELECT in text:
            return is_sentinel()
        if "Protocol Error" in text and r"\x15\x03" in text:  # the beginning of an alert of TLS
            return wants_tls()
    return None


def _forbidden(text: str) -> CredentialsError:
    """One sentence for whatever right is missing."""
    if found := _COMMAND.search(text):
        what = f"the command {found[1].replace('|', ' ').upper()}"
    elif _OF_CHANNELS in text:
        what = "our channels"
    elif _OF_KEYS in text:
        what = "our keys"
    else:
        what = "what our scripts do"
    return CredentialsError(
        "store_forbidden", f"The user in redis_url has no right to {what}.", "Give it the rights that docs/scaling.md names."
    )


def is_sentinel() -> ConfigError:
    """A Sentinel answers on the address."""
    return ConfigError(
        "store_is_sentinel", "redis_url names a Sentinel, which stores nothing.", "Name the primary that it watches over."
    )


def is_cluster() -> ConfigError:
    """A node of a cluster answers, and the home has no namespace."""
    return ConfigError(
        "store_is_cluster",
        "redis_url names a Redis Cluster, where each home needs a namespace.",
        "secondme config set redis_namespace NAME",
    )


def wants_tls() -> ConfigError:
    """The server speaks TLS only."""
    return ConfigError("store_wants_tls", "The store's server wants TLS, and redis_url says redis://.", "Write rediss:// instead.")


def without_tls() -> UnavailableError:
    """The server does not greet as one with TLS does. It may only hang: nobody can tell."""
    return UnavailableError(
        "store_without_tls",
        "The store's server does not answer in TLS, which redis_url asks for: it has none, or hangs.",
        "If it has no TLS, write redis:// instead.",
    )


def wants_certificate() -> UnavailableError:
    """The server hangs up on who shows none."""
    return UnavailableError(
        "store_wants_certificate",
        "The store's server hung up as soon as TLS was agreed: it wants a certificate of ours, or nothing is behind it.",
        "Add ?ssl_certfile=/path/client.crt&ssl_keyfile=/path/client.key to redis_url.",
    )


def too_old(version: str) -> ConfigError:
    """Redis 6 and older lacks what scripts need. `version` may be empty."""
    found = f"is version {version}" if version else "is too old"
    return ConfigError("old_store_server", f"The store's server {found}; Redis 7.0 or newer is needed.", "Upgrade it.")


_IN_A_PIPELINE = " of pipeline caused error: "
"""The library puts the command, and so what is in it, in front."""
_OF_A_RECORD = ("WRONGTYPE", "value is not", "hash value is not")
_IN_A_SCRIPT = ", on @user_script"
"""What the server says behind any failure inside of a script. What is the server's own fault stands in the causes below."""
_OUT_OF_MEMORY = (UnavailableError, "store_out_of_memory", "The store is out of memory.", "secondme doctor memory")
_TOO_OLD = (type(too_old("")), too_old("").code, too_old("").message, "Upgrade it.")
_CLUSTER = (type(is_cluster()), is_cluster().code, is_cluster().message, str(is_cluster().fix))
_MOVING = (UnavailableError, "store_moving", "The store's keys are on their way to another node.", _LATER)
_BUSY = (UnavailableError, "store_busy", "The store is busy with something else.", _LATER)
_CAUSES: tuple[tuple[tuple[type[BaseException], ...], str, type[SecondmeError], str, str, str], ...] = (
    (
        (AuthenticationError, AuthorizationError),
        "",
        CredentialsError,
        "store_refused",
        "The store refused our credentials.",
        "Correct redis_url.",
    ),
    (
        (ReadOnlyError,),
        "",
        UnavailableError,
        "store_read_only",
        "The store is a read-only replica.",
        "Point redis_url at the primary.",
    ),
    ((OutOfMemoryError,), "", *_OUT_OF_MEMORY),
    ((ResponseError,), "OOM", *_OUT_OF_MEMORY),
    ((BusyLoadingError,), "", UnavailableError, "store_loading", "The store is still loading its data.", _LATER),
    (
        (ClusterDownError,),
        "",
        UnavailableError,
        "store_cluster_down",
        "The Redis Cluster is not whole: nobody has our keys.",
        FIX_STORE,
    ),
    ((MasterDownError,), "", UnavailableError, "store_cluster_down", "The store's primary is away.", FIX_STORE),
    ((TryAgainError, AskError, MovedError), "", *_MOVING),
    ((ClusterCrossSlotError,), "", *_CLUSTER),
    (
        (ResponseError,),
        "MISCONF",
        UnavailableError,
        "store_disk_full",
        "The store cannot write to its disk.",
        "secondme doctor persistence",
    ),
    ((ResponseError,), "BUSY", *_BUSY),
    ((ResponseError,), "Script killed", *_BUSY),
    *(
        ((ResponseError,), word, UnavailableError, "store_failed", f"The store cannot do its work ({word}).", FIX_STORE)
        for word in ("NOREPLICAS", "NOGROUP", "UNKILLABLE", "Error running script", "Error compiling script")
    ),
    ((ResponseError,), "Unknown Redis command called from script", *_TOO_OLD),
    ((ResponseError,), "unknown command", *_TOO_OLD),
    ((RedisTimeoutError, TimeoutError), "", UnavailableError, "store_slow", "The store did not answer in time.", FIX_STORE),
    (
        (RedisConnectionError, OSError),
        "",
        UnavailableError,
        "store_unreachable",
        "The store does not answer.",
        "Start the gateway, or check redis_url.",
    ),
)
"""The library's error, how its text begins, and what it is to us. The first that fits counts."""
