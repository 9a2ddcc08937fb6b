"""Row 18 of the attack table: who is believed to be Meta?"""

import hashlib
import hmac
import random
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from channels.whatsapp_cloud.cloud import ANNA, Cloud, Running
from fakes.graph_api import SECRET, VERIFY, change, envelope, signature, signed, text

from secondme.channels.whatsapp_cloud import setup
from secondme.channels.whatsapp_cloud.webhook import is_signed
from secondme.core.channel_plugin import ChannelContext
from secondme.core.messages import WebhookRequest

FORGERIES = 100_000
HEX = "0123456789abcdef"


def _post(body: bytes, *signatures: str) -> WebhookRequest:
    return WebhookRequest("POST", "", tuple(("x-hub-signature-256", each) for each in signatures), body)


def _forge(rng: random.Random, body: bytes, right: str) -> WebhookRequest:
    """One call that is not Meta's, made from one that is."""
    digits = right.removeprefix("sha256=")
    place = rng.randrange(64)
    flipped = f"sha256={digits[:place]}{HEX[int(digits[place], 16) ^ 1 << rng.randrange(4)]}{digits[place + 1 :]}"
    other = bytearray(body)
    other[rng.randrange(len(other))] ^= 1 << rng.randrange(8)
    shapes: list[Callable[[], WebhookRequest]] = [
        lambda: _post(body, flipped),
        lambda: _post(body, flipped),
        lambda: _post(bytes(other), right),
        lambda: _post(body + b" ", right),
        lambda: _post(body),
        lambda: _post(body, right, right),
        lambda: _post(body, right, flipped),
        lambda: _post(body, right[: rng.randrange(len(right))]),
        lambda: _post(body, right + rng.choice("0af \n")),
        lambda: _post(body, right.upper() if right.upper() != right else flipped),
        lambda: _post(body, f"sha256={digits.upper()}" if digits.upper() != digits else flipped),
        lambda: _post(body, digits),
        lambda: _post(body, f"{rng.choice(['sha1', 'sha512', 'md5', 'none', '', 'SHA256', 'sha256 '])}={digits}"),
        lambda: _post(body, "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()),
        lambda: _post(body, signature(body, "")),
        lambda: _post(body, signature(body, SECRET[:-1])),
        lambda: _post(body, "sha256=" + hashlib.sha256(body).hexdigest()),
        lambda: _post(body, signature(bytes(other))),
        lambda: _post(body, f" {right}"),
        lambda: _post(body, f"{right}, {flipped}"),
        lambda: _post(body, f'"{right}"'),
        lambda: _post(body, "sha256=" + "".join(chr(0xFF10 + int(digit)) if digit.isdigit() else digit for digit in digits)),
        lambda: _post(body, "sha256=" + "\udcff" * 64),
        lambda: WebhookRequest("POST", f"x-hub-signature-256={right}", (("x-hub-signature", right),), body),
    ]
    return rng.choice(shapes)()


async def test_no_forged_call_is_accepted_and_meta_always_is(cloud: Cloud) -> None:
    rng = random.Random(18)
    bodies = [envelope(change(text(ANNA, f"number {n}", f"wamid.{n}", cloud.now_s))) for n in range(100)]
    rights = [signature(body) for body in bodies]
    calls = [_forge(rng, bodies[n % 100], rights[n % 100]) for n in range(FORGERIES)]
    started = time.process_time()
    found = Counter([(await cloud.channel.handle_webhook(call)).status for call in calls])
    took = time.process_time() - started
    print(f"\n{FORGERIES} forged calls: {dict(found)}, 0 accepted expected; {FORGERIES / took:,.0f} a second of processor time")
    assert found == {403: 20, 429: FORGERIES - 20}
    assert cloud.host.offered == []
    assert {(await cloud.channel.handle_webhook(signed(body))).status for body in bodies} == {200}
    assert len(cloud.host.messages) == 100


async def test_forgers_are_told_to_wait_for_a_minute_and_then_refused_again(cloud: Cloud) -> None:
    async def status() -> int:
        return (await cloud.channel.handle_webhook(_post(b"{}", "sha256=0"))).status

    assert [await status() for _ in range(22)] == [403] * 20 + [429] * 2
    cloud.clock.move(61)
    assert await status() == 403


def test_a_secret_that_is_not_set_signs_nothing() -> None:
    assert not is_signed(_post(b"{}", signature(b"{}", "")), "")


async def test_what_is_not_signed_is_never_parsed(cloud: Cloud) -> None:
    deep = b"[" * 100_000
    started = time.process_time()
    assert (await cloud.channel.handle_webhook(_post(deep, "sha256=1"))).status == 403
    assert time.process_time() - started < 0.1


def _hello(**fields: str) -> WebhookRequest:
    said = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158201444", **fields}
    return WebhookRequest("GET", urlencode(said), (), b"")


async def test_meta_is_told_its_challenge_when_it_knows_the_verify_token(cloud: Cloud) -> None:
    answer = await cloud.channel.handle_webhook(_hello())
    assert (answer.status, answer.body) == (200, "1158201444")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "hub.mode=subscribe&hub.challenge=1",
        urlencode({"hub.mode": "subscribe", "hub.verify_token": "wrong", "hub.challenge": "1"}),
        urlencode({"hub.mode": "unsubscribe", "hub.verify_token": VERIFY, "hub.challenge": "1"}),
        urlencode({"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "<script>"}),
        urlencode({"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": ""}),
        urlencode({"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1" * 129}),
        urlencode({"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1\r\nx: y"}),
        urlencode([("hub.mode", "subscribe"), ("hub.verify_token", "x"), ("hub.verify_token", VERIFY), ("hub.challenge", "1")]),
        urlencode({"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1", "pad": "x" * 2048}),
        "&".join("a=1" for _ in range(17)),
        "hub.verify_token=%ff%fe",
    ],
)
async def test_nobody_else_is_told_anything(cloud: Cloud, query: str) -> None:
    answer = await cloud.channel.handle_webhook(WebhookRequest("GET", query, (), b""))
    assert (answer.status, answer.body) == (403, "")


async def test_without_a_verify_token_nobody_is_greeted(context: Callable[..., ChannelContext]) -> None:
    channel = setup.build(context(verify_token=""))
    assert (await channel.handle_webhook(_hello(**{"hub.verify_token": ""}))).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "get", ""])
async def test_no_other_method_is_answered(cloud: Cloud, method: str) -> None:
    assert (await cloud.channel.handle_webhook(WebhookRequest(method, "", (), b""))).status == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"n":' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "null", "list", "string", "open", "bytes", "33 deep", "50,000 deep", "lists", "a number of 5,000 digits"],
)
async def test_a_signed_body_that_is_no_object_of_a_sane_depth_is_refused(cloud: Cloud, body: bytes) -> None:
    assert (await cloud.channel.handle_webhook(signed(body))).status == 400


async def test_more_than_three_megabytes_are_not_even_hashed(cloud: Cloud) -> None:
    assert (await cloud.channel.handle_webhook(signed(b" " * (3 * 1024 * 1024 + 1)))).status == 413


async def test_meta_must_repeat_what_comes_while_nothing_runs(running: Running) -> None:
    async with running() as cloud:
        call = signed(envelope(change(text(ANNA, "hi", "wamid.1", cloud.now_s))))
    assert (await cloud.channel.handle_webhook(call)).status == 503
    assert cloud.host.offered == []
