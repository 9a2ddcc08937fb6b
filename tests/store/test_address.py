"""`redis_url`: what is taken, what is refused and with which words, and that none of them repeats a password."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.errors import ConfigError
from secondme.core.store.address import parse_address, where_of

SECRET = "zqSecretzq"
TAKEN = {
    "redis://host": ("host:6379", {"host": "host", "port": 6379}),
    "redis://": ("localhost:6379", {"host": "localhost", "port": 6379}),
    "redis://host:6401/3": ("host:6401", {"host": "host", "port": 6401, "db": 3}),
    "redis://host/": ("host:6379", {"host": "host", "port": 6379}),
    "redis://host/0?db=4": ("host:6379", {"host": "host", "port": 6379, "db": 0}),
    "redis://[::1]:7000": ("[::1]:7000", {"host": "::1", "port": 7000}),
    f"redis://sam:{SECRET}@host": ("host:6379", {"host": "host", "port": 6379, "username": "sam", "password": SECRET}),
    "redis://:a%40b%2F%3A%23%3F%25@host": ("host:6379", {"host": "host", "port": 6379, "password": "a@b/:#?%"}),
    f"redis://host?password={SECRET}": ("host:6379", {"host": "host", "port": 6379, "password": SECRET}),
    "rediss://host?ssl_cert_reqs=none&ssl_check_hostname=false": (
        "host:6379",
        {"host": "host", "port": 6379, "ssl_cert_reqs": "none", "ssl_check_hostname": False},
    ),
    "unix:///run/redis/redis.sock": ("/run/redis/redis.sock", {"path": "/run/redis/redis.sock"}),
    "unix:///run/redis@1/s?db=2": ("/run/redis@1/s", {"path": "/run/redis@1/s", "db": 2}),
    f"unix://:{SECRET}@/run/s": ("/run/s", {"path": "/run/s", "password": SECRET}),
}
UNENCODED = "percent-encoded"
REFUSED = {
    "http://host": "cannot be used",
    "host": "cannot be used",
    "": "cannot be used",
    f"redis://host:{SECRET}": "cannot be used",
    "redis://[::1": "cannot be used",
    "unix://relative": "names no socket",
    f"redis://:p@ss/{SECRET}:rd@host": UNENCODED,
    f"redis://:{SECRET}/x@host:1": UNENCODED,
    f"redis://:{SECRET}#x@host": UNENCODED,
    f"redis://:{SECRET}?x@host": UNENCODED,
    f"redis://:{SECRET}[x@host": UNENCODED,
    f"rediss://sam:a/{SECRET}?b@host/2": UNENCODED,
    f"unix://:{SECRET}/x@/run/s": UNENCODED,
    "redis://host:6401/x": "no number of a database",
    "redis://host/-1": "no number of a database",
    "redis://host/1/2": "no number of a database",
    "redis://host/٣": "no number of a database",
    "redis://host?db=one": "no number of a database",
    "redis://host?foo=1": "unknown part: foo",
    "redis://host?decode_responses=True": "unknown part: decode_responses",
    "redis://host?ssl_ca_certs=/x": "rediss:// only",
    f"redis://host?{SECRET}%20x=1": "unknown part.",
    "rediss://host?ssl_ca_certs=/nowhere/ca.pem": "names no file",
    "rediss://host?ssl_cert_reqs=never": "none, optional, required",
    "rediss://host?ssl_check_hostname=perhaps": "neither true nor false",
}


@pytest.mark.parametrize("url", TAKEN)
def test_what_is_taken(url: str) -> None:
    where, options = TAKEN[url]
    address = parse_address(url)
    assert (address.where, address.options) == (where, options)
    assert SECRET not in address.where


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_refused_says_why_and_no_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(url)
    assert caught.value.code == "bad_redis_url"
    assert REFUSED[url] in caught.value.message
    assert caught.value.fix
    assert SECRET not in f"{caught.value.message}{caught.value.fix}{where_of(url)}"


@given(password=st.text(st.sampled_from(string.ascii_letters + string.digits + "@/:#?%[]&=+ äß"), min_size=1, max_size=20))
def test_no_piece_of_a_password_that_was_not_encoded_is_ever_taken_for_a_host(password: str) -> None:
    url = f"redis://:{password}@store.example:6400/1"
    try:
        address = parse_address(url)
    except ConfigError:
        assert where_of(url) in {"store.example:6400", "its address"}
        return
    assert address.where == where_of(url) == "store.example:6400"
    assert address.options["host"] == "store.example"
