"""Servers of other makers that speak the Messages API, each in its own way: what works with them, and what is said where it does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes.messages_api import Fail, FailInStream, MessagesApi, Odd, Outcome, Say, messages_api
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from secondme.core.config.models import BudgetSettings, ModelSettings
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.messages import Block, Composed, ModelSize, Prompt, Usage, Utterance, prompt_tokens, text_tokens
from secondme.core.providers.claude import Claude
from secondme.core.providers.messages_api import ask, list_models, read_answer, try_model
from secondme.core.reply.budget import Prices

Json = dict[str, Any]
PROMPT = Prompt((Block("You are Sam.", cached=True),), (Utterance("user", "free on Friday?"),), 200)
WORDS = "Sure, see you Friday."
GUESSED = Usage(prompt_tokens(PROMPT), text_tokens(WORDS), 0, 0, "claude-test", is_estimated=True)
NO_EFFORT = 'secondme config set model.effort ""'


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        yield server


def settings(api: MessagesApi, **more: Any) -> ModelSettings:
    return ModelSettings(
        **{"api_key": SecretStr("sk-1"), "base_url": api.url, "name": "claude-test", "small": "claude-test", **more}
    )


async def composed(api: MessagesApi, **more: Any) -> Any:
    claude = Claude(settings(api, **more))
    try:
        return await claude.compose(PROMPT)
    finally:
        await claude.close()


def opening(**changes: Any) -> Callable[[list[Json]], object]:
    return lambda events: events[0]["message"].update(changes)


def drop_usage(events: list[Json]) -> None:
    del events[0]["message"]["usage"]


def ending(**changes: Any) -> Callable[[list[Json]], object]:
    return lambda events: events[-2].update(changes)


def without(kind: str) -> Callable[[list[Json]], object]:
    def change(events: list[Json]) -> None:
        events[:] = [event for event in events if event["type"] != kind]

    return change


HALF_GUESSED = replace(GUESSED, input_tokens=11)
COUNTED = Usage(11, 3, 0, 0, "claude-test")
ODD = {
    "no usage at the start": (Odd(change=drop_usage), replace(GUESSED, output_tokens=3)),
    "usage null at the start": (Odd(change=opening(usage=None)), replace(GUESSED, output_tokens=3)),
    "usage of nulls": (Odd(change=opening(usage={"input_tokens": None, "output_tokens": None})), replace(GUESSED, output_tokens=3)),
    "usage without input": (Odd(change=opening(usage={"output_tokens": 0})), replace(GUESSED, output_tokens=3)),
    "usage that is a word": (Odd(change=opening(usage="none")), replace(GUESSED, output_tokens=3)),
    "usage of wrong numbers": (Odd(change=opening(usage={"input_tokens": -4})), replace(GUESSED, output_tokens=3)),
    "usage of impossible numbers": (
        Odd(change=opening(usage={"input_tokens": 10**30, "cache_read_input_tokens": 10**30})),
        replace(GUESSED, output_tokens=3),
    ),
    "no usage at the end": (Odd(change=lambda events: events[-2].pop("usage")), HALF_GUESSED),
    "usage null at the end": (Odd(change=ending(usage=None)), HALF_GUESSED),
    "usage empty at the end": (Odd(change=ending(usage={})), HALF_GUESSED),
    "usage of nulls at the end": (Odd(change=ending(usage={"output_tokens": None})), HALF_GUESSED),
    "all usage at the end": (
        Odd(change=lambda events: (drop_usage(events), ending(usage={"input_tokens": 11, "output_tokens": 3})(events))),
        COUNTED,
    ),
    "content null at the start": (Odd(change=opening(content=None)), COUNTED),
    "no model": (Odd(change=opening(model=None)), COUNTED),
    "no message_start": (Odd(change=without("message_start")), replace(GUESSED, output_tokens=3)),
    "no message_stop": (Odd(change=without("message_stop")), COUNTED),
    "no content_block_start": (Odd(change=without("content_block_start")), COUNTED),
    "no names of events": (Odd(is_named=False), COUNTED),
    "[DONE] at the end": (Odd(ending="[DONE]"), COUNTED),
    "[DONE], and no message_stop": (Odd(change=without("message_stop"), ending="[DONE]"), COUNTED),
    "one JSON message": (Odd(is_json=True), COUNTED),
    "stop for a reason": (Odd(Say(WORDS, stop_reason="stop")), COUNTED),
    "an event of tomorrow": (Odd(change=lambda events: events.insert(1, {"type": "of_tomorrow", "usage": None})), COUNTED),
}


@pytest.mark.parametrize("name", ODD)
async def test_the_words_arrive_and_what_was_not_counted_is_estimated(api: MessagesApi, name: str) -> None:
    outcome, usage = ODD[name]
    api.outcomes = [outcome, outcome]
    assert await composed(api) == Composed(WORDS, usage)
    assert await try_model(settings(api), "claude-test") is True
    assert len(api.requests) == 2
    prices = Prices(BudgetSettings(input_usd_per_mtok=1, output_usd_per_mtok=1))
    prices.look_up("claude-test")
    assert prices.micros(usage, "claude-test") <= GUESSED.input_tokens + GUESSED.output_tokens


@pytest.mark.parametrize("effort", ["low", ""])
@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/V1", "/v1/messages"])
async def test_an_address_may_end_in_v1(api: MessagesApi, suffix: str, effort: str) -> None:
    outcome = await composed(api, base_url=api.url + suffix, effort=effort)
    assert outcome == Composed("re: free on Friday?", COUNTED)
    assert await list_models(settings(api, base_url=api.url + suffix)) == ("claude-test",)
    assert {request.path for request in api.requests} == {"/v1/messages"}


CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."
LIMIT = "You have reached your specified API usage limits. You will regain access on 2027-02-01 at 00:00 UTC."
EXTRA = "output_config: Extra inputs are not permitted"
SAID: list[tuple[Outcome, type[SecondmeError], str, str]] = [
    (Fail(400, "invalid_request_error", message=CREDIT), CredentialsError, "model_no_credit", "has no credit"),
    (Fail(403, "permission_error", message=CREDIT), CredentialsError, "model_no_credit", "has no credit"),
    (FailInStream("invalid_request_error", CREDIT), CredentialsError, "model_no_credit", "has no credit"),
    (Fail(400, "invalid_request_error", message=LIMIT), CredentialsError, "model_no_credit", "ends on 2027-02-01 at 00:00 UTC"),
    (Fail(429, "insufficient_quota"), CredentialsError, "model_no_credit", "has no credit"),
    (Fail(429, "rate_limit_error", {"retry-after": "3"}, LIMIT), UnavailableError, "model_rate_limited", "429"),
    (Fail(402, "billing_error"), CredentialsError, "model_no_credit", "has no credit"),
    (Fail(401, "authentication_error"), CredentialsError, "model_key_refused", "(401, authentication_error)"),
    (Fail(400, "invalid_request_error"), ConfigError, "model_request_refused", "(400, invalid_request_error)"),
    (Fail(422, "x", body={"detail": [{"loc": ["body", "tools"]}]}), ConfigError, "model_request_refused", "(422)"),
    (Fail(400, "x", body={"error": "no"}), ConfigError, "model_request_refused", "(400)"),
    (Fail(400, "x", body={"error": {"type": "A \x1b[31mline\n", "code": 7}}), ConfigError, "model_request_refused", "(400)"),
    (Fail(500, "api_error"), UnavailableError, "model_failed", "(500, api_error)"),
    (Fail(502, ""), UnavailableError, "model_failed", "(502)"),
    (FailInStream("overloaded_error"), UnavailableError, "model_overloaded", "(529, overloaded_error)"),
    (FailInStream("authentication_error"), CredentialsError, "model_key_refused", "(401, authentication_error)"),
    (Odd(change=list.clear), UnavailableError, "model_unreachable", "does not answer properly"),
    (
        Odd(change=lambda events: events.clear(), ending="no JSON"),
        UnavailableError,
        "model_unreachable",
        "does not answer properly",
    ),
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said[2]} {said[3]}")
async def test_what_is_said_is_the_same_for_replies_and_for_the_proof(
    api: MessagesApi, said: tuple[Outcome, type[SecondmeError], str, str]
) -> None:
    outcome, kind, code, words = said
    api.outcomes = [outcome, outcome]
    told = []
    for asking in (composed(api), try_model(settings(api), "claude-test")):
        with pytest.raises(SecondmeError) as caught:
            await asking
        assert (type(caught.value), caught.value.code) == (kind, code)
        told.append((caught.value.message, caught.value.fix))
    assert told[0] == told[1]
    assert words in told[0][0]
    assert f"127.0.0.1:{api.port}" in told[0][0]
    assert not {"\x1b", "\n"} & set(told[0][0])


async def test_a_server_that_knows_no_effort_is_asked_without_and_remembered(api: MessagesApi) -> None:
    api.knows_effort = False
    claude = Claude(settings(api))
    for _ in range(3):
        assert await claude.compose(PROMPT) == Composed("re: free on Friday?", COUNTED)
    await claude.close()
    assert ["output_config" in request.body for request in api.requests] == [True, False, False, False]
    assert await try_model(settings(api), "claude-test") is False
    assert await try_model(settings(api, effort=""), "claude-test") is True


async def test_a_stream_that_does_not_say_how_it_ended_is_no_answer(api: MessagesApi) -> None:
    prefilled = opening(stop_reason="end_turn")
    for change in (
        without("message_delta"),
        ending(delta={"stop_reason": None}),
        lambda events: (prefilled(events), events.pop(-2)),
    ):
        api.outcomes = [Odd(change=change)]
        with pytest.raises(UnavailableError) as caught:
            await composed(api)
        assert (caught.value.code, "has no end" in caught.value.message) == ("model_unreachable", True)


async def test_what_a_server_lacks_is_said_once_in_the_log(api: MessagesApi, caplog: pytest.LogCaptureFixture) -> None:
    api.knows_effort = False
    api.script = lambda _: Odd(change=drop_usage)
    claude = Claude(settings(api))
    for size in (ModelSize.LARGE, ModelSize.SMALL) * 2:
        await claude.compose(replace(PROMPT, size=size))
    await claude.close()
    said = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert sorted(said) == ["model_counts_no_tokens", "model_knows_no_effort"]


@pytest.mark.parametrize(
    "error",
    [
        AttributeError(),
        TypeError(),
        KeyError("usage"),
        IndexError(),
        AssertionError(),
        RecursionError(),
        MemoryError(),
        StopAsyncIteration(),
        ExceptionGroup("", [OSError()]),
    ],
)
async def test_whatever_a_library_raises_over_an_answer_the_message_waits(error: Exception) -> None:
    async def send(_: Json) -> Any:
        raise error

    with pytest.raises(UnavailableError) as caught:
        await ask(send, ModelSettings(), PROMPT)
    assert (caught.value.code, caught.value.__cause__) == ("model_unreachable", error)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_a_list_of_models_is_asked_all_the_same(status: int) -> None:
    class NoList(MessagesApi):
        async def _answer(self, request: Any, writer: Any) -> bool:
            if request.method == "POST":
                return await super()._answer(request, writer)
            writer.write(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode())
            return True

    api = NoList()
    server = await asyncio.start_server(api.handle, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    async with server:
        assert await list_models(settings(api)) == ()
        assert await try_model(settings(api), "claude-test") is True
        await api.close()


PYDANTIC = {"detail": [{"type": "extra_forbidden", "loc": ["body", "output_config"], "msg": "Extra inputs are not permitted"}]}


@pytest.mark.parametrize(
    "refusal",
    [
        Fail(400, "invalid_request_error", message=EXTRA),
        Fail(400, "invalid_request_error", message="This model does not support the effort parameter."),
        Fail(422, "x", body=PYDANTIC),
        Fail(400, "x", body={"error": {"message": "model does not support parameters: ['reasoning_effort']"}}),
    ],
)
async def test_every_way_of_refusing_an_effort_is_understood(api: MessagesApi, refusal: Fail) -> None:
    api.outcomes = [refusal, Say(WORDS), refusal, Say(WORDS)]
    assert await composed(api) == Composed(WORDS, COUNTED)
    assert await try_model(settings(api), "claude-test") is False
    assert [request.body.get("output_config") for request in api.requests] == [{"effort": "low"}, None] * 2


async def test_a_request_that_is_refused_without_an_effort_too_names_the_setting(api: MessagesApi) -> None:
    api.script = lambda _: Fail(400, "invalid_request_error", message=EXTRA)
    with pytest.raises(ConfigError) as caught:
        await composed(api)
    assert (caught.value.code, caught.value.fix, len(api.requests)) == ("model_request_refused", NO_EFFORT, 2)


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("http://127.0.0.1:9/v1", "model_unreachable", "Nobody listens at 127.0.0.1:9: connection refused."),
        ("http://ann:secret@127.0.0.1:9", "model_unreachable", "Nobody listens at 127.0.0.1:9: connection refused."),
        ("http://nowhere.invalid", "model_unreachable", "the name in nowhere.invalid is unknown"),
        ("no address", "bad_base_url", "no address is not an address."),
        ("http://[half", "bad_base_url", "[half is not an address."),
    ],
)
async def test_an_address_where_nobody_is_is_named(api: MessagesApi, url: str, code: str, words: str) -> None:
    for asking in (
        composed(api, base_url=url),
        list_models(settings(api, base_url=url)),
        try_model(settings(api, base_url=url), "m"),
    ):
        with pytest.raises(SecondmeError) as caught:
            await asking
        assert caught.value.code == code
        assert words in caught.value.message
        assert "secret" not in caught.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["type", "message", "usage", "content", "delta", "index", "content_block", "stop_reason", "text", "role", "model", "error"]
)
events = st.lists(
    st.dictionaries(fields, json_values | st.dictionaries(fields, json_values, max_size=4), max_size=6)
    | st.sampled_from(["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop"]).flatmap(
        lambda kind: st.dictionaries(fields, json_values | st.dictionaries(fields, json_values, max_size=4), max_size=5).map(
            lambda event: {**event, "type": kind}
        )
    ),
    max_size=6,
)


@given(events=events, is_stream=st.booleans(), size=st.integers(1, 40))
async def test_no_answer_whatever_is_in_it_is_more_than_unreadable(events: list[Json], *, is_stream: bool, size: int) -> None:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) if is_stream else json.dumps(events[0] if events else {})

    async def send(_: Json) -> Any:
        return await read_answer(pieces(body.encode(), size), PROMPT, "claude-test")

    try:
        outcome, _ = await ask(send, ModelSettings(), PROMPT)
    except SecondmeError:
        return
    assert outcome.usage.input_tokens >= 0


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_a_stream_is_read_however_its_lines_end_and_its_pieces_fall(end: str, size: int) -> None:
    words = "Grüße\u2028👨‍👩‍👧\x85 bis Freitag"
    events: list[Json] = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 4}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    ]
    lines = [
        line
        for event in events
        for line in (f"event: {event['type']}", ": a comment", f"data: {json.dumps(event, ensure_ascii=False)}", "")
    ]
    body = "".join(line + end for line in lines).encode()
    assert await read_answer(pieces(body, size), PROMPT, "m") == Composed(words, Usage(4, 9, 0, 0, "m"))
