"""A title of the owner's calendar, through the whole corridor: a standard contact's prompt, reply, trace, log and store never hold it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.town import Town

from secondme.core import log
from secondme.core.enums import Tier
from secondme.core.files import private_dir
from secondme.core.messages import Asked, Composed, ModelOutcome, Prompt, ToolCall, Usage
from secondme.core.store import keys
from secondme.core.store.client import Store

CANARY = "zqdentistzq"
EVENT = f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:{CANARY}
DTSTAMP:20261101T000000Z
DTSTART:20261201T090000Z
DTEND:20261201T100000Z
SUMMARY:{CANARY}
LOCATION:{CANARY}
DESCRIPTION:{CANARY}
ATTENDEE;CN={CANARY}:mailto:{CANARY}@example.org
END:VEVENT
END:VCALENDAR
"""


def asks(name: str) -> Callable[[Prompt], ModelOutcome]:
    """A model that looks once and says all it was told."""

    def script(prompt: Prompt) -> ModelOutcome:
        if prompt.exchanges:
            return Composed(f"All I know: {prompt.exchanges[0].results[0][1].text}"[:900], Usage(10, 5))
        given = {"from": "2026-12-01", "days": 1}
        block = {"type": "tool_use", "id": "t1", "name": name, "input": given}
        return Asked((block,), (ToolCall("t1", name, given),), Usage(10, 5))

    return script


async def kept(store: Store) -> str:
    """Everything in the store, but what the owner chose."""
    client, found = store.client, []
    async for key in client.scan_iter():
        match await client.type(key):
            case b"string":
                found.append(await client.get(key))
            case b"hash":
                found.append(await client.hgetall(key))
            case b"list":
                found.append(await client.lrange(key, 0, -1))
            case b"zset":
                found.append(await client.zrange(key, 0, -1))
            case b"set":
                found.append(await client.smembers(key))
            case b"stream":
                found.append(await client.xrange(key))
    return repr(found)


@pytest.fixture
def logs(town: Town) -> Iterator[Path]:
    """Everything is written down."""
    folder = private_dir(town.setup.places.logs)
    log.set_up("debug", folder, console=True)
    return folder


@pytest.mark.parametrize("tool", ["calendar_agenda", "calendar_free"])
@pytest.mark.parametrize("tier", [Tier.STANDARD, Tier.TRUSTED])
async def test_no_title_is_anywhere_in_a_standard_contact_s_turn(
    town: Town, tmp_path: Path, logs: Path, capfd: pytest.CaptureFixture[str], tier: Tier, tool: str
) -> None:
    (tmp_path / "me.ics").write_text(EVENT)
    await town.services.skill_store.set_config("calendar", {"source": str(tmp_path / "me.ics")})
    await town.services.skill_store.set_state("calendar", on=True)
    await town.let_in("anna", tier)
    town.model.script = asks(tool)
    await town.writes("anna", "when is Sam busy on the first of December?")
    assert await town.work() == ["answered"]
    await town.deliver()
    (run,) = await town.services.skill_store.runs(10)
    assert (run.tool, run.code) == (tool.removeprefix("calendar_"), "ok")
    trace = repr(await town.store.client.lrange(keys.trace("local:anna"), 0, -1))
    assert tool in trace
    written = "".join(path.read_text() for path in logs.iterdir())  # noqa: ASYNC240
    assert "zygote_started" in written
    assert "2026-12-01" in repr(town.model.prompts[1].exchanges)
    never = {"trace": trace, "log": written, "console": "".join(capfd.readouterr())}
    shown = {"prompts": repr(town.model.prompts), "sent": repr(town.channel.raw), "store": await kept(town.store)}
    assert {name for name, text in never.items() if CANARY in text} == set()
    is_told = tier is Tier.TRUSTED and tool == "calendar_agenda"
    assert {name for name, text in shown.items() if CANARY in text} == (set(shown) if is_told else set())
