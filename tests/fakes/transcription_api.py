"""The transcription calls of OpenAI's API, in both shapes, with words that follow from the recording alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from aiohttp import web
from fakes.json_vendor import Asked, Json, JsonVendor, serving

KEY = "sk-hear-canary-78"
SPOKEN = "We meet at the lake on Friday at seven."
NOTE = b"OggS" + b"\0" * 24 + SPOKEN.encode()
"""A recording whose words this server understands: they stand in it."""
MODELS = [
    {"id": "gpt-transcribe", "object": "model", "created": 1, "owned_by": "openai"},
    {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "openai", "shutdown_date": "2027-02-26"},
]


class TranscriptionApi(JsonVendor):
    """Answers `POST …/audio/transcriptions` and `GET …/models` like the vendor; what the vendor would refuse is refused."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.shape: Json = {}
        """What an answer has beside or instead of what belongs there."""
        self.takes_verbose = True
        self.said: str | None = None
        """What every recording says, instead of what stands in it."""
        self.models: Any = {"object": "list", "data": MODELS}

    @property
    def heard(self) -> list[tuple[str, bytes]]:
        """Name and bytes of every recording that arrived."""
        return [(asked.body["file"][0][0], asked.body["file"][0][2]) for asked in self.requests if asked.body]

    async def read(self, request: web.Request, raw: bytes) -> Any:
        return _form(request.headers.get("content-type", ""), raw) if raw else None

    async def _answer(self, asked: Asked) -> web.StreamResponse:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return refused(401, f"Incorrect API key provided: {asked.headers.get('authorization')}")
        if asked.path.endswith("/models"):
            return web.json_response(self.models)
        name, _, data = asked.body["file"][0]
        if not data.startswith(b"OggS") or not name.endswith(".ogg"):
            return refused(400, f"Invalid file format: {name}", "file")
        verbose = asked.body["response_format"] == ["verbose_json"]
        if verbose and not self.takes_verbose:
            return refused(400, "response_format 'verbose_json' is not compatible with this model", "response_format")
        words = data[28:].decode() if self.said is None else self.said
        said: Json = {"text": words, "usage": {"type": "duration", "seconds": 4}}
        if verbose:
            said = {"task": "transcribe", "language": "english", "duration": 4.2, "text": words, "segments": [segment(words)]}
        return web.json_response({**said, **self.shape})


def segment(text: str, *, start: float = 0.0, end: float = 4.2, logprob: float = -0.2, silent: float = 0.01) -> Json:
    """A segment as Whisper's servers have it."""
    return {
        "id": 0,
        "seek": 0,
        "start": start,
        "end": end,
        "text": f" {text}",
        "tokens": [50364, 1492],
        "temperature": 0.0,
        "avg_logprob": logprob,
        "compression_ratio": 1.1,
        "no_speech_prob": silent,
    }


def refused(status: int, message: str, param: str | None = None, code: str | None = None) -> web.Response:
    """An error as the vendor words it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return web.json_response({"error": error}, status=status)


def _form(content_type: str, raw: bytes) -> dict[str, list[Any]]:
    """The fields of a form, each with its values in their order; of a file its name, type and bytes."""
    message = BytesParser(policy=HTTP).parsebytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + raw)
    fields: dict[str, list[Any]] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]  # an EmailMessage, by the policy
        assert isinstance(part, Message)
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        filename = part.get_filename()
        fields.setdefault(name, []).append((filename, part.get_content_type(), data) if filename else data.decode())
    return fields


@asynccontextmanager
async def transcription_api() -> AsyncIterator[TranscriptionApi]:
    api = TranscriptionApi()
    async with serving(api):
        yield api
