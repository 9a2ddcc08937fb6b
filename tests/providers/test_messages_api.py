"""The two small questions of the wizard and the doctor are asked as replies will be, and every refusal has its cause."""

from dataclasses import replace
from typing import Any

import pytest
from fakes.messages_api import Fail, MessagesApi, Silence, messages_api

from secondme.core.config.models import ModelSettings
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.messages import Block, ModelSize, Prompt, Utterance
from secondme.core.providers.claude import Claude
from secondme.core.providers.messages_api import PROOF, list_models, try_model


def settings(api: MessagesApi, **more: Any) -> ModelSettings:
    return ModelSettings.model_validate({"api_key": "sk-1", "base_url": api.url, **more})


async def test_key_and_version_are_sent_as_the_sdk_sends_them() -> None:
    async with messages_api() as api:
        await try_model(settings(api), "claude-test")
        claude = Claude(settings(api))
        await claude.compose(Prompt((Block("You are Sam."),), (Utterance("user", "hi"),), 16, ModelSize.LARGE))
        await claude.close()
        ours, theirs = api.requests
        wanted = ("authorization", "anthropic-version", "x-api-key")
        assert [ours.headers.get(name) for name in wanted] == [theirs.headers.get(name) for name in wanted]
        assert ours.path == theirs.path


async def test_the_proof_has_everything_that_a_reply_has() -> None:
    async with messages_api() as api:
        await try_model(settings(api, max_tokens=900), "claude-test")
        claude = Claude(settings(api, max_tokens=900))
        await claude.compose(replace(PROOF, max_tokens=900))
        await claude.close()
        ours, theirs = api.requests
        assert ours.body == {**theirs.body, "model": "claude-test"}
        assert {"stream", "system", "output_config"} <= ours.body.keys()


async def test_the_models_come_in_the_servers_order() -> None:
    async with messages_api() as api:
        api.models = ["b", "a", "c\x1b[31m"]
        assert await list_models(settings(api)) == ("b", "a", "c[31m")


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, ConfigError, "model_request_refused"),
        (401, CredentialsError, "model_key_refused"),
        (402, CredentialsError, "model_no_credit"),
        (403, CredentialsError, "model_key_refused"),
        (404, ConfigError, "no_such_model"),
        (429, UnavailableError, "model_rate_limited"),
        (500, UnavailableError, "model_failed"),
        (529, UnavailableError, "model_overloaded"),
    ],
)
async def test_every_refusal_has_its_cause(status: int, error: type[SecondmeError], code: str) -> None:
    async with messages_api() as api:
        api.outcomes = [Fail(status)]
        with pytest.raises(error) as failure:
            await try_model(settings(api), "claude-test")
        assert failure.value.code == code


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with messages_api() as api:
        api.outcomes = [Silence()]
        with pytest.raises(UnavailableError) as failure:
            await try_model(settings(api), "claude-test", timeout_s=0.2)
        assert failure.value.code == "model_timeout"


@pytest.mark.parametrize(("url", "code"), [("nonsense", "bad_base_url"), ("http://127.0.0.1:9", "model_unreachable")])
async def test_an_address_that_is_none(url: str, code: str) -> None:
    with pytest.raises(SecondmeError) as failure:
        await list_models(ModelSettings.model_validate({"api_key": "x", "base_url": url}))
    assert failure.value.code == code
