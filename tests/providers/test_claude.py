"""The real SDK against a local server that speaks the Messages API and fails as told."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes.messages_api import Cut, EndEarly, Fail, FailInStream, Garbage, MessagesApi, Outcome, Say, Silence, messages_api
from pydantic import SecretStr

from secondme.core.config.models import ModelSettings
from secondme.core.enums import Thinking
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.messages import Block, Composed, ModelOutcome, ModelRefused, ModelSize, Prompt, Usage, Utterance
from secondme.core.providers.claude import Claude

KEY = "sk-ant-canary-9f1c"
PROMPT = Prompt(
    system=(Block("the rules", cached=True), Block("<contact>{}</contact>")),
    turns=(Utterance("user", "hi"), Utterance("assistant", "hey"), Utterance("user", "how are you?")),
    max_tokens=77,
)
USAGE = Usage(11, 3, 0, 0, "claude-test")
SLOW_S = 30.0

Connect = Callable[..., Claude]


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        yield server


@pytest.fixture
async def connect(api: MessagesApi) -> AsyncIterator[Connect]:
    made: list[Claude] = []

    def make(*, timeout_s: float = SLOW_S, url: str | None = None, key: str | None = KEY, **more: Any) -> Claude:
        secret = None if key is None else SecretStr(key)
        names = {"name": "claude-test", "small": "claude-small"}
        settings = ModelSettings(api_key=secret, base_url=url or api.url, timeout_s=timeout_s, **names, **more)
        made.append(Claude(settings))
        return made[-1]

    yield make
    for claude in made:
        await claude.close()


async def failure(composing: Awaitable[ModelOutcome]) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await composing
    return caught.value


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Say("Fine, and you? " * 9), Composed(("Fine, and you? " * 9).strip(), USAGE)),
        (Say("Grüße 👋🏽 אבא"), Composed("Grüße 👋🏽 אבא", USAGE)),
        (Say("cut at the lim", stop_reason="max_tokens"), Composed("cut at the lim", USAGE, is_cut=True)),
        (Say("cut", stop_reason="model_context_window_exceeded"), Composed("cut", USAGE, is_cut=True)),
        (Say("Let me check the", stop_reason="pause_turn"), Composed("Let me check the", USAGE, is_cut=True)),
        (Say("all of it", stop_reason="stop"), Composed("all of it", USAGE)),
        (Say("a reason of tom", stop_reason="of_tomorrow"), Composed("a reason of tom", USAGE, is_cut=True)),
        (Say("I will look", tools=(("search", {"q": "x"}),), stop_reason="tool_use"), ModelRefused("tool_use", USAGE)),
        (Say("I am you", role="user"), ModelRefused("wrong_role", USAGE)),
        (Say("hi", usage=(7, 2, 300, 40)), Composed("hi", Usage(7, 2, 300, 40, "claude-test"))),
        (Say(tools=(("search", {"q": "x"}),), stop_reason="tool_use"), ModelRefused("tool_use", USAGE)),
        (Say("I cannot", stop_reason="refusal"), ModelRefused("refusal", USAGE)),
        (Say("", stop_reason="refusal"), ModelRefused("refusal", USAGE)),
        (Say("", stop_reason="max_tokens"), ModelRefused("cut_short", USAGE)),
        (Say(""), ModelRefused("end_turn", USAGE)),
        (Say(" \n\t"), ModelRefused("end_turn", USAGE)),
    ],
)
async def test_an_answer_becomes_words_or_a_refusal(
    api: MessagesApi, connect: Connect, outcome: Say, expected: ModelOutcome
) -> None:
    api.outcomes = [outcome]
    assert expected == await connect().compose(PROMPT)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("outcome", "kind", "code", "retry_after_s"),
    [
        (Fail(400, "invalid_request_error"), ConfigError, "model_request_refused", None),
        (Fail(401, "authentication_error"), CredentialsError, "model_key_refused", None),
        (Fail(402, "billing_error"), CredentialsError, "model_no_credit", None),
        (Fail(403, "permission_error"), CredentialsError, "model_key_refused", None),
        (Fail(404, "not_found_error"), ConfigError, "model_request_refused", None),
        (Fail(413, "request_too_large"), ConfigError, "model_request_refused", None),
        (Fail(429, "rate_limit_error", {"retry-after": "7"}), UnavailableError, "model_rate_limited", 7.0),
        (Fail(429, "rate_limit_error", {"retry-after": "0.25"}), UnavailableError, "model_rate_limited", 0.25),
        (Fail(429, "rate_limit_error", {"retry-after": "-5"}), UnavailableError, "model_rate_limited", 0.0),
        (Fail(429, "rate_limit_error", {"retry-after": "tomorrow"}), UnavailableError, "model_rate_limited", None),
        (Fail(429, "rate_limit_error"), UnavailableError, "model_rate_limited", None),
        (Fail(408), UnavailableError, "model_failed", None),
        (Fail(500), UnavailableError, "model_failed", None),
        (Fail(502, ""), UnavailableError, "model_failed", None),
        (Fail(529, "overloaded_error", {"retry-after": "3"}), UnavailableError, "model_overloaded", 3.0),
        (FailInStream("overloaded_error"), UnavailableError, "model_overloaded", None),
        (FailInStream("rate_limit_error"), UnavailableError, "model_rate_limited", None),
        (FailInStream("api_error"), UnavailableError, "model_failed", None),
        (Cut("before_headers"), UnavailableError, "model_unreachable", None),
        (Cut("in_stream"), UnavailableError, "model_unreachable", None),
        (EndEarly(), UnavailableError, "model_unreachable", None),
        (Garbage(), UnavailableError, "model_unreachable", None),
    ],
)
async def test_a_failure_becomes_its_cause_after_one_request(
    api: MessagesApi, connect: Connect, outcome: Outcome, kind: type[SecondmeError], code: str, retry_after_s: float | None
) -> None:
    api.outcomes = [outcome]
    error = await failure(connect().compose(PROMPT))
    assert (kind, code) == (type(error), error.code)
    assert retry_after_s == getattr(error, "retry_after_s", None)
    assert len(api.requests) == 1
    assert not any(KEY in text or "how are you" in text for text in (error.message, error.fix, repr(error)))


@pytest.mark.parametrize("where", ["before_headers", "in_stream"])
async def test_silence_ends_at_the_time_out(api: MessagesApi, connect: Connect, where: str) -> None:
    api.outcomes = [Silence(where)]  # type: ignore[arg-type]
    async with asyncio.timeout(SLOW_S):
        error = await failure(connect(timeout_s=0.2).compose(PROMPT))
    assert (UnavailableError, "model_timeout") == (type(error), error.code)
    assert len(api.requests) == 1


async def test_a_server_that_is_not_there_is_waited_for(connect: Connect) -> None:
    error = await failure(connect(url="http://127.0.0.1:9").compose(PROMPT))
    assert (UnavailableError, "model_unreachable") == (type(error), error.code)


async def test_without_a_key_nothing_is_asked(api: MessagesApi, connect: Connect) -> None:
    error = await failure(connect(key=None).compose(PROMPT))
    assert (CredentialsError, "no_model_key") == (type(error), error.code)
    assert api.requests == []


async def test_a_failure_leaves_the_next_call_unharmed(api: MessagesApi, connect: Connect) -> None:
    api.outcomes = [Cut("in_stream"), Fail(500), Garbage(), Say("fine")]
    claude = connect()
    for _ in range(3):
        await failure(claude.compose(PROMPT))
    assert Composed("fine", USAGE) == await claude.compose(PROMPT)


async def test_the_request_is_the_prompt_and_the_first_block_may_be_cached(api: MessagesApi, connect: Connect) -> None:
    await connect().compose(PROMPT)
    (request,) = api.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(request.body)
    assert request.body == {
        "model": "claude-test",
        "max_tokens": 77,
        "stream": True,
        "system": [
            {"type": "text", "text": "the rules", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "<contact>{}</contact>"},
        ],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hey"},
            {"role": "user", "content": "how are you?"},
        ],
        "output_config": {"effort": "low"},
    }


@pytest.mark.parametrize(
    ("prompt", "effort", "expected"),
    [
        (PROMPT, "", {"model": "claude-test"}),
        (PROMPT, "high", {"model": "claude-test", "output_config": {"effort": "high"}}),
        (replace(PROMPT, size=ModelSize.SMALL), "", {"model": "claude-small"}),
        (
            replace(PROMPT, thinking=Thinking.MEDIUM),
            "low",
            {"model": "claude-test", "output_config": {"effort": "medium"}, "thinking": {"type": "adaptive"}},
        ),
    ],
)
async def test_model_and_effort_are_what_the_prompt_and_the_settings_say(
    api: MessagesApi, connect: Connect, prompt: Prompt, effort: str, expected: dict[str, object]
) -> None:
    await connect(effort=effort).compose(prompt)
    body = api.requests[0].body
    assert {name: body[name] for name in ("model", "output_config", "thinking") if name in body} == expected
    assert not {"temperature", "top_p", "top_k", "tools"} & set(body)


async def test_many_at_once_share_one_client(api: MessagesApi, connect: Connect) -> None:
    claude = connect()
    answers = await asyncio.gather(*(claude.compose(PROMPT) for _ in range(20)))
    assert [Composed("re: how are you?", USAGE)] * 20 == answers
    assert len(api.requests) == 20


async def test_a_cancelled_call_stays_cancelled(api: MessagesApi, connect: Connect) -> None:
    api.outcomes = [Silence("in_stream"), Say("fine")]
    claude = connect()
    composing = asyncio.ensure_future(claude.compose(PROMPT))
    async with asyncio.timeout(SLOW_S):
        await api.asked.wait()
    composing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await composing
    assert Composed("fine", USAGE) == await claude.compose(PROMPT)


def test_importing_the_provider_does_not_import_the_sdk() -> None:
    code = "import sys, secondme.core.providers.claude; print(sorted({'anthropic', 'httpx', 'httpx2'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


async def test_the_server_lists_its_models_and_answers_without_streaming(api: MessagesApi) -> None:
    from anthropic import AsyncAnthropic

    async with AsyncAnthropic(api_key=KEY, base_url=api.url, max_retries=0) as client:
        models = await client.models.list()
        turn = {"role": "user", "content": "hi"}
        message = await client.messages.create(model="claude-test", max_tokens=5, messages=[turn])  # type: ignore[list-item]
    assert [model.id for model in models.data] == ["claude-test"]
    assert [block.model_dump()["text"] for block in message.content] == ["re: hi"]
