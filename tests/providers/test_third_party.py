"""A server of somebody else's that speaks the Messages API: LiteLLM's proxy, a program of its own, with canned models behind it.

`nox -s third-party` installs it in an environment of its own and names its program in LITELLM; without that, nothing is tried.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from secondme.core.config.models import ModelSettings
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.messages import Block, Composed, ModelOutcome, Prompt, Utterance
from secondme.core.providers.claude import Claude
from secondme.core.providers.messages_api import list_models, try_model

PROGRAM = os.environ.get("LITELLM", "")
pytestmark = [
    pytest.mark.heavy,  # a program that takes ten seconds to start
    pytest.mark.skipif(not Path(PROGRAM).is_file(), reason="LITELLM names no program: nox -s third-party"),
]
Json = dict[str, Any]
WORDS = "At nine, at the station."
KEY = "sk-local"
PROMPT = Prompt((Block("You are Sam.", cached=True), Block("It is Friday.")), (Utterance("user", "when do we meet?"),), 200)
START_S = 90.0


class Chat(BaseHTTPRequestHandler):
    """A server that speaks OpenAI's chat completions, as vLLM does; the model's name says how it ends."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "broken":
            self.send_error(500)
            return
        pieces: list[Json] = [
            {"delta": {"role": "assistant", "content": ""}},
            *({"delta": {"content": word}} for word in (WORDS[:9], WORDS[9:])),
        ]
        pieces.append({"delta": {}, "finish_reason": "length" if asked["model"] == "cut" else "stop"})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in pieces:
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
            self.wfile.write(
                f"data: {json.dumps({**chunk, 'choices': [{'index': 0, 'finish_reason': None, **piece}]})}\n\n".encode()
            )
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: Any) -> None:
        """Nothing is written down."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running proxy."""
    home = tmp_path_factory.mktemp("litellm")
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    thread = Thread(target=upstream.serve_forever, daemon=True)
    thread.start()
    behind = {"api_base": f"http://127.0.0.1:{upstream.server_port}/v1", "api_key": "none"}
    names = ("whole", "cut", "broken")
    models = [{"model_name": name, "litellm_params": {"model": f"hosted_vllm/{name}", **behind}} for name in names]
    models.append({"model_name": "canned", "litellm_params": {"model": "openai/canned", "api_key": "none", "mock_response": WORDS}})
    config = {
        "model_list": models,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    (home / "config.yaml").write_text(json.dumps(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [PROGRAM, "--config", str(home / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with (home / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log, env=environment, cwd=home) as process:
        try:
            await_start(f"http://127.0.0.1:{port}/health/liveliness", home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)
            upstream.shutdown()
            upstream.server_close()


def await_start(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def settings(proxy: str, name: str, **more: Any) -> ModelSettings:
    return ModelSettings(api_key=SecretStr(KEY), base_url=f"{proxy}/v1", name=name, small=name, **more)


async def composed(proxy: str, name: str) -> ModelOutcome:
    claude = Claude(settings(proxy, name))
    try:
        return await claude.compose(PROMPT)
    finally:
        await claude.close()


@pytest.mark.parametrize("name", ["whole", "canned"])
async def test_it_lists_its_models_and_they_write(proxy: str, name: str) -> None:
    assert {"whole", "cut", "broken", "canned"} <= set(await list_models(settings(proxy, name)))
    await try_model(settings(proxy, name), name)
    outcome = await composed(proxy, name)
    assert isinstance(outcome, Composed)
    assert (outcome.text, outcome.is_cut) == (WORDS, False)
    assert outcome.usage.input_tokens > 0
    assert outcome.usage.output_tokens > 0


async def test_an_answer_that_its_model_did_not_finish_is_no_reply(proxy: str) -> None:
    outcome = await composed(proxy, "cut")
    assert isinstance(outcome, Composed)
    assert (outcome.text, outcome.is_cut) == (WORDS, True)


async def test_its_own_errors_are_named(proxy: str) -> None:
    with pytest.raises(ConfigError) as unknown:
        await composed(proxy, "nobody")
    assert unknown.value.message.endswith("refused the request (400, invalid_request_error).")
    with pytest.raises(UnavailableError) as broken:
        await composed(proxy, "broken")
    assert broken.value.code == "model_failed"
