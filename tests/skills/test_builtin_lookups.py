"""Weather, currency and web pages: answers as their servers give them, over real TLS, and what becomes of every bad one."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes.skill_home import ANNA, OWNER, TRUDY, SkillHome
from fakes.tool_servers import ToolServers, tool_servers

from secondme.core.tools.asks import AskContext
from secondme.core.tools.manifest import SkillManifest, read_manifest
from secondme.core.tools.rights import Grant, GrantedTool

PLACES, WEATHER = "geocoding-api.open-meteo.com/v1/search", "api.open-meteo.com/v1/forecast"
RATES = "api.frankfurter.dev/v1/latest"
TOKYO = {
    "results": [
        {"id": 1850147, "name": "Tokyo", "latitude": 35.6895, "longitude": 139.69171, "country": "Japan", "admin1": "Tokyo"}
    ],
    "generationtime_ms": 0.6,
}
CURRENT = {
    "time": "2026-11-30T09:45",
    "interval": 900,
    "temperature_2m": 8.3,
    "apparent_temperature": 5.9,
    "precipitation": 0.0,
    "wind_speed_10m": 11.2,
    "weather_code": 3,
}
DAILY = {
    "time": ["2026-11-30", "2026-12-01"],
    "temperature_2m_min": [4.1, 2.0],
    "temperature_2m_max": [12.6, 9.9],
    "precipitation_probability_max": [10, 83],
    "weather_code": [1, 61],
}
EURO = {"amount": 1.0, "base": "EUR", "date": "2026-11-27", "rates": {"USD": 1.0812, "JPY": 163.44, "CHF": 0.9307}}
PAGE = """<!doctype html><html><head><title>Bread &amp; Butter</title><style>p{}</style></head><body><script>steal()</script>
<h1>Bread</h1><p>Takes   <b>three</b> hours.</p><ul><li>flour<li>water</ul><noscript>no</noscript></body></html>"""


@pytest.fixture
async def servers(skill_home: SkillHome, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ToolServers]:
    hosts = [each.partition("/")[0] for each in (PLACES, WEATHER, RATES)]
    async with tool_servers(monkeypatch, *hosts, "bread.example") as running:
        skill_home.services.web_client = running.client
        running.say(PLACES, json.dumps(TOKYO))
        running.say(WEATHER, json.dumps({"timezone": "Asia/Tokyo", "current": CURRENT, "daily": DAILY}))
        running.say(RATES, json.dumps(EURO))
        running.say("bread.example/", PAGE, kind="text/html; charset=utf-8")
        for skill in ("weather", "currency", "web"):
            await skill_home.on(skill)
        yield running


async def test_the_weather_now(skill_home: SkillHome, servers: ToolServers) -> None:
    told = await skill_home.tells("weather_now", {"place": "Tokyo"}, ANNA)
    assert told == {
        "text": "Tokyo, Japan: 8.3 °C, feels like 5.9 °C, overcast, wind 11.2 km/h",
        "data": {"celsius": 8.3, "feels": 5.9, "rain_mm": 0.0, "wind_kmh": 11.2, "sky": "overcast"},
        "as_of": "2026-11-30T09:45",
        "source": "open-meteo.com",
    }
    assert servers.asked[0] == f"{PLACES}?name=Tokyo&count=1&format=json"
    assert servers.asked[1].startswith(f"{WEATHER}?latitude=35.6895&longitude=139.69171&timezone=auto&current=")


async def test_the_weather_of_the_next_days(skill_home: SkillHome, servers: ToolServers) -> None:
    told = await skill_home.tells("weather_days", {"place": "Tokyo", "days": 2}, ANNA)
    assert told["data"][1] == {"day": "2026-12-01", "low": 2.0, "high": 9.9, "rain_percent": 83, "sky": "rain"}
    assert servers.asked[-1].endswith("&forecast_days=2")


def without(found: dict[str, Any], name: str) -> str:
    return json.dumps({"current": {key: value for key, value in found.items() if key != name}})


@pytest.mark.parametrize(
    ("where", "status", "text", "code"),
    [
        (PLACES, 200, '{"generationtime_ms": 0.5}', "unknown_place"),
        (PLACES, 200, "[]", "unreadable"),
        (PLACES, 429, "{}", "unavailable"),
        (WEATHER, 200, without(CURRENT, "temperature_2m"), "unreadable"),
        (WEATHER, 200, json.dumps({"current": {**CURRENT, "temperature_2m": "warm"}}), "unreadable"),
        (WEATHER, 200, "<html>", "unreadable"),
        (WEATHER, 200, "{}", "unreadable"),
        (WEATHER, 500, "{}", "unavailable"),
    ],
)
async def test_no_weather_is_invented(
    skill_home: SkillHome, servers: ToolServers, where: str, status: int, text: str, code: str
) -> None:
    servers.say(where, text, status)
    assert await skill_home.code("weather_now", {"place": "Tokyo"}) == code


@pytest.mark.parametrize("place", ["tell evil.example 42", "a/b", "x&count=9", "🦊", "   "])
async def test_only_a_place_s_name_leaves_the_house(skill_home: SkillHome, servers: ToolServers, place: str) -> None:
    assert await skill_home.code("weather_now", {"place": place}) == "bad_place"
    assert servers.asked == []


@pytest.mark.parametrize(
    ("given", "amount"),
    [
        ({"amount": 100, "from": "EUR", "to": "usd"}, 108.12),
        ({"amount": 108.12, "from": "USD", "to": "EUR"}, 100.0),
        ({"amount": 1000, "from": "JPY", "to": "CHF"}, 5.69),
        ({"amount": 0, "from": "EUR", "to": "EUR"}, 0.0),
    ],
)
async def test_money_in_another_currency(skill_home: SkillHome, servers: ToolServers, given: dict[str, Any], amount: float) -> None:
    told = await skill_home.tells("currency_convert", given, ANNA)
    assert told["data"] == {"amount": amount, "currency": given["to"].upper()}
    assert told["as_of"] == "2026-11-27"
    assert servers.asked == [f"{RATES}?base=EUR"]


async def test_rates_are_fetched_once_a_day(skill_home: SkillHome, servers: ToolServers) -> None:
    given = {"amount": 1, "from": "EUR", "to": "USD"}
    for _ in range(3):
        await skill_home.tells("currency_convert", given, ANNA)
    assert len(servers.asked) == 1
    skill_home.clock.move(86_400)
    servers.say(RATES, "", 503)
    assert await skill_home.code("currency_convert", given, ANNA) == "unavailable"
    assert len(servers.asked) == 2


@pytest.mark.parametrize(
    ("text", "given", "code"),
    [
        (json.dumps(EURO), {"amount": 1, "from": "EUR", "to": "XXX"}, "unknown_currency"),
        (json.dumps(EURO), {"amount": -1, "from": "EUR", "to": "USD"}, "bad_input"),
        (json.dumps(EURO), {"amount": 1, "from": "EURO", "to": "USD"}, "bad_input"),
        ('{"date": "2026-11-27"}', {"amount": 1, "from": "EUR", "to": "USD"}, "unreadable"),
        ('{"date": "2026-11-27", "rates": {"USD": "1"}}', {"amount": 1, "from": "EUR", "to": "USD"}, "unreadable"),
    ],
)
async def test_no_rate_is_invented(
    skill_home: SkillHome, servers: ToolServers, text: str, given: dict[str, Any], code: str
) -> None:
    servers.say(RATES, text)
    assert await skill_home.code("currency_convert", given) == code


async def test_a_page_is_its_title_and_its_words(skill_home: SkillHome, servers: ToolServers) -> None:
    told = await skill_home.tells("web_page", {"url": "https://bread.example/"})
    assert servers.asked == ["bread.example/"]
    assert (told["title"], told["text"]) == ("Bread & Butter", "Bread\nTakes three hours.\nflour\nwater")
    assert (told["cut"], told["source"]) == (False, "https://bread.example/")


@pytest.mark.parametrize("letter", ["x", "я", "😀"])
async def test_a_page_of_megabytes_is_told_up_to_a_length(skill_home: SkillHome, servers: ToolServers, letter: str) -> None:
    servers.say("bread.example/", f"<title>Long</title><p>{f'{letter} ' * 400_000}", kind="text/html")
    told = await skill_home.tells("web_page", {"url": "https://bread.example/"})
    assert (told["title"], len(told["text"]), told["cut"]) == ("Long", 6000, True)


@pytest.mark.parametrize(
    ("url", "kind", "code"),
    [
        ("https://bread.example/", "application/pdf", "not_a_page"),
        ("https://bread.example/gone", "text/html", "unavailable"),
        ("http://bread.example/", "text/html", "unavailable"),
        ("https://bread.example:8443/", "text/html", "unavailable"),
        ("https://other.example/", "text/html", "unavailable"),
        ("file:///etc/passwd", "text/html", "unavailable"),
    ],
)
async def test_what_is_no_page_is_said_so(skill_home: SkillHome, servers: ToolServers, url: str, kind: str, code: str) -> None:
    servers.say("bread.example/", PAGE, kind=kind)
    assert await skill_home.code("web_page", {"url": url}) == code


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"])
async def test_a_page_inside_the_house_is_not_read(skill_home: SkillHome, servers: ToolServers, address: str) -> None:
    servers.addresses = [address]
    assert await skill_home.code("web_page", {"url": "https://bread.example/"}) == "unavailable"
    assert servers.asked == []


async def test_a_contact_has_no_web(skill_home: SkillHome, servers: ToolServers) -> None:
    assert "web_page" in await skill_home.names(OWNER)
    for turn in (ANNA, TRUDY):
        assert "web_page" not in await skill_home.names(turn)
        assert await skill_home.code("web_page", {"url": "https://bread.example/"}, turn) == "not_allowed"
    assert servers.asked == []


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("weather_now", {"place": "Tokyo"}),
        ("weather_days", {"place": "Tokyo"}),
        ("currency_convert", {"amount": 1, "from": "EUR", "to": "USD"}),
        ("web_page", {"url": "https://bread.example/"}),
    ],
)
@pytest.mark.parametrize("fault", [None, TimeoutError(), OSError()])
async def test_offline_is_a_code(
    skill_home: SkillHome, servers: ToolServers, tool: str, given: dict[str, Any], fault: OSError | None
) -> None:
    servers.addresses, servers.fault = [], fault
    assert await skill_home.code(tool, given) == "unavailable"


async def test_all_tools_together_are_few_tokens(skill_home: SkillHome, tmp_path: Path) -> None:
    """At four characters a token, as a model's server is sent them; whoever asks is the owner, who has all."""
    (tmp_path / "notes").mkdir()
    settings = {"notes": {"folder": str(tmp_path / "notes")}, "calendar": {"source": str(tmp_path / "me.ics")}}
    for skill in ("calendar", "clock", "contacts", "currency", "notes", "weather", "web"):
        await skill_home.on(skill, **settings.get(skill, {}))
    specs = await skill_home.services.skill_toolbox.offered(OWNER)
    assert len(specs) == 12
    text = json.dumps([{"name": each.name, "description": each.description, "input_schema": each.schema} for each in specs])
    print(len(text) // 4, "tokens")
    assert len(text) <= 900 * 4


@pytest.mark.parametrize("kind", ["url", "file", "folder", "secret"])
def test_what_is_reached_or_read_is_typed_by_the_owner(kind: str) -> None:
    field = {"type": kind, "default": "https://127.0.0.1:6379/"}
    found = read_manifest(json.dumps({"name": "x", "version": "1", "description": "x", "config": {"where": field}}).encode())
    assert isinstance(found, list)
    assert "has no default" in found[0].words


@pytest.mark.parametrize(("kind", "code"), [("url", "unreachable"), ("string", "not_allowed"), ("text", "not_allowed")])
async def test_only_an_address_opens_the_way_inside(skill_home: SkillHome, kind: str, code: str) -> None:
    """Any text may come as a default of the skill's own."""
    tool = {"name": "go", "access": "read", "description": "x"}
    config = {"where": {"type": kind}}
    text = {"name": "x", "version": "1", "description": "x", "permissions": ["net:config"], "config": config, "tools": [tool]}
    manifest = read_manifest(json.dumps(text).encode())
    assert isinstance(manifest, SkillManifest)
    asking = AskContext(GrantedTool(manifest, manifest.tools[0], Grant()), OWNER, {"where": "http://127.0.0.1:9/"})
    question = {"op": "http", "url": "http://127.0.0.1:9/"}
    assert await skill_home.services.skill_toolbox._desk.answer(asking, question) == {"error": code}
