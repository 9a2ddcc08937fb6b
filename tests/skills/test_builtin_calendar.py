"""The calendar: read from a file, an address and a CalDAV server, at the right times, and told no further than whoever asks may know."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.caldav import PASSWORD, USER, caldav_server
from fakes.skill_home import ANNA, OWNER, TRUDY, SkillHome
from fakes.tool_servers import ToolServers, tool_servers

from secondme.core.clock import SystemClock
from secondme.core.messages import Origin, ToolTurn
from secondme.core.tools.asks import AskContext
from secondme.core.tools.rights import Grant, GrantedTool
from secondme.skills.sandbox.sandbox import Sandbox

CANARY = "zqdentistzq"
BERLIN_ZONE = """BEGIN:VTIMEZONE
TZID:Somewhere
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""
SECRET = f"""DTSTART:20261201T090000Z
DTEND:20261201T100000Z
SUMMARY:{CANARY}
LOCATION:{CANARY}
DESCRIPTION:{CANARY}
CATEGORIES:{CANARY}
ORGANIZER;CN={CANARY}:mailto:{CANARY}@example.org
ATTENDEE;CN={CANARY}:mailto:{CANARY}@example.org
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT15M
DESCRIPTION:{CANARY}
END:VALARM"""


def ics(*events: str, zones: str = "") -> str:
    """A calendar with these events, each some lines."""
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *zones.splitlines()]
    lines = [f"BEGIN:VEVENT\nUID:u{at}\nDTSTAMP:20261101T000000Z\n{each}\nEND:VEVENT" for at, each in enumerate(events)]
    return "\r\n".join([*head, *"\n".join(lines).splitlines(), "END:VCALENDAR", ""])


@pytest.fixture
async def file(skill_home: SkillHome, tmp_path: Path) -> Path:
    """The owner's calendar, with one appointment that is nobody's business."""
    path = tmp_path / "me.ics"
    path.write_bytes(ics(SECRET).encode())
    await skill_home.on("calendar", source=str(path))
    return path


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


async def events(home: SkillHome, first: str, days: int, turn: ToolTurn = OWNER) -> list[tuple[str, str, str]]:
    told = await home.tells("calendar_agenda", {"from": first, "days": days}, turn)
    return [(each["start"], each["end"], each["title"]) for each in told["data"]]


WEEKLY = "SUMMARY:w\nRRULE:FREQ=WEEKLY"
TIMES = {
    "utc": ("DTSTART:20261201T090000Z\nDTEND:20261201T100000Z", ["2026-12-01T10:00:00+01:00", "2026-12-01T11:00:00+01:00"]),
    "length": ("DTSTART:20261201T090000Z\nDURATION:PT90M", ["2026-12-01T10:00:00+01:00", "2026-12-01T11:30:00+01:00"]),
    "no zone": ("DTSTART:20261201T090000\nDTEND:20261201T100000", ["2026-12-01T09:00:00+01:00", "2026-12-01T10:00:00+01:00"]),
    "day": ("DTSTART;VALUE=DATE:20261201", ["2026-12-01T00:00:00+01:00", "2026-12-02T00:00:00+01:00"]),
    "tokyo": (
        "DTSTART;TZID=Asia/Tokyo:20261201T180000\nDTEND;TZID=Asia/Tokyo:20261201T190000",
        ["2026-12-01T10:00:00+01:00", "2026-12-01T11:00:00+01:00"],
    ),
    "windows": (
        "DTSTART;TZID=W. Europe Standard Time:20261201T090000\nDTEND;TZID=W. Europe Standard Time:20261201T100000",
        ["2026-12-01T09:00:00+01:00", "2026-12-01T10:00:00+01:00"],
    ),
    "own zone": (
        "DTSTART;TZID=Somewhere:20261201T090000\nDTEND;TZID=Somewhere:20261201T100000",
        ["2026-12-01T09:00:00+01:00", "2026-12-01T10:00:00+01:00"],
    ),
    "from before": ("DTSTART:20261129T200000Z\nDTEND:20261201T100000Z", ["2026-11-29T21:00:00+01:00", "2026-12-01T11:00:00+01:00"]),
}


@pytest.mark.parametrize("name", TIMES)
async def test_times_are_told_in_the_owner_s_zone(skill_home: SkillHome, file: Path, name: str) -> None:
    lines, expected = TIMES[name]
    write(file, ics(f"{lines}\nSUMMARY:x", zones=BERLIN_ZONE))
    assert await events(skill_home, "2026-12-01", 1) == [(*expected, "x")]


RECURRING = {
    "berlin over a change of clocks": (
        f"DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;TZID=Europe/Berlin:20260105T100000\n{WEEKLY}",
        ["2027-03-22T09:00:00+01:00", "2027-03-29T09:00:00+02:00"],
    ),
    "new york between two changes": (
        f"DTSTART;TZID=America/New_York:20260105T090000\nDTEND;TZID=America/New_York:20260105T100000\n{WEEKLY}",
        ["2027-03-22T14:00:00+01:00", "2027-03-29T15:00:00+02:00"],
    ),
    "own zone over a change": (
        f"DTSTART;TZID=Somewhere:20260105T090000\nDTEND;TZID=Somewhere:20260105T100000\n{WEEKLY}",
        ["2027-03-22T09:00:00+01:00", "2027-03-29T09:00:00+02:00"],
    ),
    "one taken out": (
        f"DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H\n{WEEKLY}\nEXDATE;TZID=Europe/Berlin:20270322T090000",
        ["2027-03-29T09:00:00+02:00"],
    ),
    "ended": (f"DTSTART:20260105T090000Z\nDURATION:PT1H\n{WEEKLY};UNTIL=20270325T000000Z", ["2027-03-22T10:00:00+01:00"]),
    "cancelled": (f"DTSTART:20260105T090000Z\nDURATION:PT1H\nSTATUS:CANCELLED\n{WEEKLY}", []),
}


@pytest.mark.parametrize("name", RECURRING)
async def test_recurring_events_are_told_at_each_of_their_times(skill_home: SkillHome, file: Path, name: str) -> None:
    lines, starts = RECURRING[name]
    write(file, ics(lines, zones=BERLIN_ZONE))
    assert [start for start, _, _ in await events(skill_home, "2027-03-22", 14)] == starts


async def test_one_time_of_a_series_may_be_another(skill_home: SkillHome, file: Path) -> None:
    series = f"DTSTART:20261201T090000Z\nDURATION:PT1H\n{WEEKLY}"
    moved = "RECURRENCE-ID:20261208T090000Z\nDTSTART:20261209T150000Z\nDURATION:PT1H\nSUMMARY:moved"
    write(file, ics(series, moved).replace("UID:u1", "UID:u0"))
    assert [(start, title) for start, _, title in await events(skill_home, "2026-12-01", 14)] == [
        ("2026-12-01T10:00:00+01:00", "w"),
        ("2026-12-09T16:00:00+01:00", "moved"),
    ]


async def test_years_of_events_are_read(skill_home: SkillHome, file: Path) -> None:
    """Those of other times are not taken apart: that would take more than all the time there is."""
    words = "CREATED:20200101T000000Z\nDESCRIPTION:some words\nLOCATION:somewhere\nSEQUENCE:0\nSTATUS:CONFIRMED\nSUMMARY:x\nTRANSP:OPAQUE"
    days = [f"20{at % 26:02}0{1 + at % 9}11" for at in range(14_000)]
    text = ics(*(f"DTSTART:{day}T090000Z\nDTEND:{day}T100000Z\n{words}" for day in days), SECRET)
    assert 3_300_000 < len(text) < 4 << 20
    write(file, text)
    assert [title for _, _, title in await events(skill_home, "2026-12-01", 1)] == [CANARY]


async def test_a_standard_contact_learns_when_and_never_what(skill_home: SkillHome, file: Path) -> None:
    touching = "DTSTART:20261201T100000Z\nDTEND:20261201T113000Z\nSUMMARY:b"
    free = "DTSTART;VALUE=DATE:20261201\nTRANSP:TRANSPARENT\nSUMMARY:c"
    write(file, ics(SECRET, touching, free))
    result = await skill_home.result("calendar_agenda", {"from": "2026-12-01"}, ANNA)
    assert CANARY not in result.text
    told = await skill_home.tells("calendar_agenda", {"from": "2026-12-01"}, ANNA)
    assert told["data"] == [{"start": "2026-12-01T10:00:00+01:00", "end": "2026-12-01T12:30:00+01:00"}]
    assert told["text"] == "2026-12-01 10:00 to 2026-12-01 12:30 busy"
    assert [title for _, _, title in await events(skill_home, "2026-12-01", 1, TRUDY)] == ["c", CANARY, "b"]


async def test_busy_times_are_told_in_the_zone_as_it_is_then(skill_home: SkillHome, file: Path) -> None:
    write(file, ics("DTSTART:20270327T100000Z\nDTEND:20270328T100000Z"))
    told = await skill_home.tells("calendar_agenda", {"from": "2027-03-27", "days": 2}, ANNA)
    assert told["text"] == "2027-03-27 11:00 to 2027-03-28 12:00 busy"


@pytest.mark.parametrize("kind", ["PRIVATE", "CONFIDENTIAL"])
async def test_what_is_private_is_the_owner_s_alone(skill_home: SkillHome, file: Path, kind: str) -> None:
    write(file, ics(f"{SECRET}\nCLASS:{kind}"))
    assert [title for _, _, title in await events(skill_home, "2026-12-01", 1, TRUDY)] == [""]
    assert CANARY not in (await skill_home.result("calendar_agenda", {"from": "2026-12-01"}, TRUDY)).text
    assert [title for _, _, title in await events(skill_home, "2026-12-01", 1)] == [CANARY]


async def test_gaps_are_found_by_day_and_length(skill_home: SkillHome, file: Path) -> None:
    write(file, ics("DTSTART:20261201T090000Z\nDTEND:20261201T130000Z", "DTSTART:20261201T133000Z\nDTEND:20261202T120000Z"))
    told = await skill_home.tells("calendar_free", {"from": "2026-12-01", "days": 2, "minutes": 60}, ANNA)
    assert [(each["start"][5:16], each["end"][5:16]) for each in told["data"]] == [
        ("12-01T08:00", "12-01T10:00"),
        ("12-02T13:00", "12-02T22:00"),
    ]
    told = await skill_home.tells("calendar_free", {"from": "2026-12-01", "days": 1, "minutes": 30}, ANNA)
    assert len(told["data"]) == 2


BOMB = "DTSTART:20200101T000000Z\nDTEND:20200101T000001Z\nRRULE:FREQ=SECONDLY"


async def test_a_bomb_ends_as_a_failed_call_and_the_next_calendar_is_read(skill_home: SkillHome, file: Path) -> None:
    write(file, ics(BOMB))
    assert await skill_home.code("calendar_agenda", {"from": "2026-12-01"}) == "failed"
    write(file, ics(SECRET))
    assert len(await events(skill_home, "2026-12-01", 1)) == 1


@pytest.mark.usefixtures("file")
async def test_many_at_once_do_not_wait_for_one_another(skill_home: SkillHome) -> None:
    """Each call waits for another one, which reads for it: they would fill all places."""
    found = await asyncio.gather(*(events(skill_home, "2026-12-01", 1) for _ in range(9)))
    assert [len(each) for each in found] == [1] * 9


@pytest.mark.usefixtures("file")
async def test_what_calendars_need_is_imported_when_one_is_read(skill_home: SkillHome) -> None:
    await skill_home.on("clock")
    skill_home.services.sandbox = sandbox = Sandbox(SystemClock())
    pids = []
    for name, given in (
        ("clock_there", {"place": "Tokyo"}),
        ("calendar_agenda", {}),
        ("clock_there", {"place": "Tokyo"}),
        ("calendar_agenda", {}),
    ):
        await skill_home.tells(name, given)
        pids.append(sandbox._zygote and sandbox._zygote.pid)
    assert pids[0] != pids[1] == pids[2] == pids[3]


@pytest.mark.parametrize(
    "text", ["", "nothing", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "BEGIN:VCARD\nEND:VCARD\n", "\x00" * 1000, "x" * ((4 << 20) + 1)]
)
async def test_what_is_no_calendar_tells_nothing(skill_home: SkillHome, file: Path, text: str) -> None:
    write(file, text)
    result = await skill_home.result("calendar_agenda", {"from": "2026-12-01"})
    assert result.code == "failed" or '"data": []' in result.text


@pytest.mark.parametrize(
    "given", [{"from": "tomorrow"}, {"from": "2026-13-1"}, {"from": "9999-12-31", "days": 14}, {"from": "0001-01-01"}]
)
@pytest.mark.usefixtures("file")
async def test_a_day_that_is_none_is_a_code(skill_home: SkillHome, given: dict[str, Any]) -> None:
    assert await skill_home.code("calendar_agenda", given, ANNA) in {"bad_time", "failed"}


PLAN = {"title": "Tea; with, Anna\\", "start": "2026-12-03T15:00", "minutes": 45, "place": "Kö"}


async def test_an_event_is_put_into_the_file_once(skill_home: SkillHome, file: Path) -> None:
    file.chmod(0o640)  # noqa: ASYNC240
    for state in ("added", "known"):
        assert (await skill_home.tells("calendar_propose", PLAN))["data"] == {"state": state}
    assert (file.stat().st_mode & 0o777, file.read_bytes().count(b"BEGIN:VEVENT")) == (0o640, 2)  # noqa: ASYNC240
    expected = ("2026-12-03T15:00:00+01:00", "2026-12-03T15:45:00+01:00", "Tea; with, Anna\\")
    assert (await events(skill_home, "2026-12-01", 3))[1:] == [expected]


async def test_what_is_put_in_can_be_nothing_but_one_event(skill_home: SkillHome, file: Path) -> None:
    title = "x\r\nEND:VEVENT\nRRULE:FREQ=SECONDLY\n" + "ü" * 60
    assert (await skill_home.tells("calendar_propose", {**PLAN, "title": title}))["data"] == {"state": "added"}
    raw = file.read_bytes()  # noqa: ASYNC240
    assert (raw.count(b"END:VEVENT\r\n"), b"\nRRULE" in raw) == (2, False)
    assert max(map(len, raw.split(b"\r\n"))) <= 75
    assert [title for _, _, title in await events(skill_home, "2026-12-03", 1)] == ["x END:VEVENT RRULE:FREQ=SECONDLY " + "ü" * 60]


async def test_a_calendar_that_is_not_there_yet_is_made(skill_home: SkillHome, tmp_path: Path) -> None:
    await skill_home.on("calendar", source=str(tmp_path / "new.ics"))
    assert await skill_home.code("calendar_agenda") == "failed"
    await skill_home.tells("calendar_propose", PLAN)
    assert len(await events(skill_home, "2026-12-03", 1)) == 1


@pytest.mark.parametrize("turn", [ANNA, TRUDY])
async def test_a_contact_s_turn_writes_nothing(skill_home: SkillHome, file: Path, turn: ToolTurn) -> None:
    """A trusted one proposes, as any write does; and even where the code runs in their turn, the gateway does not do it."""
    await skill_home.let_in(TRUDY)
    before = file.read_bytes()  # noqa: ASYNC240
    result = await skill_home.result("calendar_propose", PLAN, turn)
    assert (result.code, "proposed" in result.text) == (("", True) if turn is TRUDY else ("not_allowed", False))
    skill = await skill_home.services.skills.get("calendar")
    granted = next(each for each in skill.tools if each.tool.name == "propose")
    assert (await skill_home.services.skill_toolbox._run(skill, granted, turn, PLAN)).code == "not_allowed"
    assert file.read_bytes() == before  # noqa: ASYNC240


@pytest.mark.usefixtures("file")
async def test_a_contact_s_turn_writes_what_the_owner_granted_by_name(skill_home: SkillHome) -> None:
    skill = await skill_home.services.skills.get("calendar")
    granted = next(each for each in skill.tools if each.tool.name == "propose")
    auto = GrantedTool(granted.manifest, granted.tool, Grant(auto=frozenset({"propose"})))
    assert (await skill_home.services.skill_toolbox._run(skill, auto, TRUDY, PLAN)).code == ""


@pytest.mark.parametrize("op", ["calendar", "calendar_add", "contacts", "notes"])
@pytest.mark.usefixtures("file")
async def test_who_was_not_granted_it_is_told_nothing(skill_home: SkillHome, op: str) -> None:
    clock = (await skill_home.services.skills.get("clock")).tools[0]
    question = {"op": op, "start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z", "title": "x", "find": "x"}
    desk = skill_home.services.skill_toolbox._desk
    assert await desk.answer(AskContext(clock, ToolTurn(Origin.OWNER), {}), question) == {"error": "not_allowed"}


# A server has it


@pytest.fixture
def caldav(tmp_path: Path) -> Iterator[str]:
    """The address of an empty calendar."""
    with caldav_server(tmp_path / "radicale") as url:
        yield url


@pytest.fixture
async def dav_home(skill_home: SkillHome, caldav: str) -> SkillHome:
    """A home whose calendar is there."""
    skill_home.services.skill_secrets = lambda _: {"password": PASSWORD}
    await skill_home.on("calendar", source=caldav, user=USER)
    return skill_home


async def put(url: str, *texts: str) -> None:
    async with httpx.AsyncClient(auth=(USER, PASSWORD)) as client:
        for at, text in enumerate(texts):
            answer = await client.put(
                f"{url}{at}.ics", content=text.replace("UID:u0", f"UID:v{at}"), headers={"content-type": "text/calendar"}
            )
            assert answer.status_code == 201


async def test_a_caldav_calendar_is_read_and_written(dav_home: SkillHome, caldav: str) -> None:
    weekly = f"DTSTART;TZID=America/New_York:20260105T090000\nDTEND;TZID=America/New_York:20260105T100000\n{WEEKLY}"
    await put(caldav, ics(SECRET), ics(weekly), ics("DTSTART:20200101T090000Z\nDURATION:PT1H\nSUMMARY:old"))
    assert await events(dav_home, "2027-03-22", 1) == [("2027-03-22T14:00:00+01:00", "2027-03-22T15:00:00+01:00", "w")]
    assert CANARY not in (await dav_home.result("calendar_agenda", {"from": "2026-12-01"}, ANNA)).text
    for state in ("added", "known"):
        assert (await dav_home.tells("calendar_propose", PLAN))["data"] == {"state": state}
    assert [title for _, _, title in await events(dav_home, "2026-12-03", 1)] == [PLAN["title"]]


async def test_a_calendar_address_may_lack_its_last_slash(dav_home: SkillHome, caldav: str) -> None:
    await put(caldav, ics(SECRET))
    await dav_home.on("calendar", source=caldav.rstrip("/"))
    assert len(await events(dav_home, "2026-12-01", 1)) == 1


@pytest.mark.parametrize("tool", ["calendar_agenda", "calendar_propose"])
async def test_a_wrong_password_is_a_code(dav_home: SkillHome, tool: str) -> None:
    dav_home.services.skill_secrets = lambda _: {"password": "wrong"}
    assert await dav_home.code(tool, PLAN if tool.endswith("propose") else {}) == "refused"


async def test_a_server_that_is_gone_is_a_code(skill_home: SkillHome) -> None:
    await skill_home.on("calendar", source="http://127.0.0.1:9/sam/home/", user=USER)
    assert await skill_home.code("calendar_agenda") == "failed"
    await skill_home.on("calendar", source="nowhere")
    assert await skill_home.code("calendar_agenda") == "not_set_up"


@pytest.fixture
async def servers(skill_home: SkillHome, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ToolServers]:
    async with tool_servers(monkeypatch, "calendar.example") as running:
        skill_home.services.web_client = running.client
        await skill_home.on("calendar", source="https://calendar.example/private/basic.ics")
        yield running


async def test_a_secret_address_is_read_only(skill_home: SkillHome, servers: ToolServers) -> None:
    others = [f"DTSTART:20200101T090000Z\nDTEND:20200101T100000Z\nSUMMARY:{'x' * 200}" for _ in range(5000)]
    servers.say("calendar.example/private/basic.ics", ics(*others, SECRET), kind="text/calendar")
    assert [title for _, _, title in await events(skill_home, "2026-12-01", 1)] == [CANARY]
    assert await skill_home.code("calendar_propose", PLAN) == "read_only"
    assert servers.asked == ["calendar.example/private/basic.ics"]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_an_address_that_gives_no_calendar_is_a_code(skill_home: SkillHome, servers: ToolServers, status: int) -> None:
    servers.say("calendar.example/private/basic.ics", ics(SECRET), status)
    assert await skill_home.code("calendar_agenda", {"from": "2026-12-01"}) == "failed"
