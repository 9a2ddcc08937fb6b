"""ElevenLabs' calls for speech, a voice and a subscription, with their errors as the vendor words them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from fakes import opus
from fakes.json_vendor import Asked, Fault, JsonVendor, serving

KEY, VOICE = "sk_eleven-canary-99", "voice/of 1"


def refusal(status: int, word: str, **headers: str) -> Fault:
    detail = {"status": word, "message": "It said: zqSpokenCanaryzq"}
    return Fault(status, json.dumps({"detail": detail}).encode(), {name.replace("_", "-"): each for name, each in headers.items()})


class ElevenLabsApi(JsonVendor):
    """Answers like the vendor. The content type is wrong, as its own is at times."""

    def __init__(self) -> None:
        super().__init__(self._answered)
        self.sound = opus.silence(0.5)
        self.subscription: object = {"character_count": 1200, "character_limit": 10_000, "tier": "starter"}
        self.voices = {VOICE}
        self.cut_at: int | None = None
        """After so many bytes the connection is lost."""

    async def _answered(self, asked: Asked) -> web.StreamResponse:
        if asked.headers.get("xi-api-key") != KEY:
            return _refused(refusal(401, "invalid_api_key"))
        if asked.path == "/v1/user/subscription":
            return web.json_response(self.subscription)
        voice = asked.path.removeprefix("/v1/text-to-speech/").removeprefix("/v1/voices/")
        if voice not in self.voices:
            return _refused(refusal(400, "voice_not_found"))
        if asked.method == "GET":
            return web.json_response({"voice_id": voice, "name": "Somebody"})
        return web.Response(body=self.sound, content_type="audio/mpeg")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = await super().handle(request)
        if self.cut_at is None:
            return answer
        cut = web.StreamResponse()
        cut.content_length = len(self.sound)
        await cut.prepare(request)
        await cut.write(self.sound[: self.cut_at])
        assert request.transport is not None
        request.transport.close()
        return cut


def _refused(fault: Fault) -> web.Response:
    return web.Response(status=fault.status, body=fault.body)


@asynccontextmanager
async def elevenlabs_api() -> AsyncIterator[ElevenLabsApi]:
    api = ElevenLabsApi()
    async with serving(api):
        yield api
