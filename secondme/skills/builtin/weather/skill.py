"""The weather, from open-meteo.com (CC BY 4.0): a place is looked up, and its figures are told as they came."""

import json
import math
from urllib.parse import urlencode

SOURCE = "open-meteo.com"
SKIES = {
    **dict.fromkeys((0, 1), "clear"),
    2: "partly cloudy",
    3: "overcast",
    **dict.fromkeys((45, 48), "fog"),
    **dict.fromkeys((51, 53, 55, 56, 57), "drizzle"),
    **dict.fromkeys((61, 63, 65, 66, 67), "rain"),
    **dict.fromkeys((71, 73, 75, 77), "snow"),
    **dict.fromkeys((80, 81, 82), "showers"),
    **dict.fromkeys((85, 86), "snow showers"),
    **dict.fromkeys((95, 96, 99), "thunderstorm"),
}
"""By the codes of the World Meteorological Organization (table 4677)."""


def now(given, ask):
    place = _place(given["place"], ask)
    names = {"temperature_2m": "celsius", "apparent_temperature": "feels", "precipitation": "rain_mm", "wind_speed_10m": "wind_kmh"}
    found = _forecast(place, ask, "current", [*names, "weather_code"], {})
    data = {ours: _number(found.get(theirs)) for theirs, ours in names.items()}
    sky = SKIES.get(found.get("weather_code"), "")
    text = f"{place['name']}: {data['celsius']} °C, feels like {data['feels']} °C, {sky or 'sky unknown'}, wind {data['wind_kmh']} km/h"
    return {"text": text, "data": {**data, "sky": sky}, "as_of": str(found.get("time", ""))[:40], "source": SOURCE}


def days(given, ask):
    place = _place(given["place"], ask)
    names = {
        "temperature_2m_min": "low",
        "temperature_2m_max": "high",
        "precipitation_probability_max": "rain_percent",
    }
    found = _forecast(place, ask, "daily", [*names, "weather_code"], {"forecast_days": given.get("days", 3)})
    rows = []
    for at, day in enumerate(_list(found, "time")[:7]):
        figures = {ours: _number(_list(found, theirs)[at]) for theirs, ours in names.items()}
        rows.append({"day": str(day)[:10], **figures, "sky": SKIES.get(_list(found, "weather_code")[at], "")})
    lines = [f"{row['day']}: {row['low']} to {row['high']} °C, {row['sky']}, rain {row['rain_percent']} %" for row in rows]
    return {"text": f"{place['name']}\n" + "\n".join(lines), "data": rows, "as_of": ask.now.isoformat(), "source": SOURCE}


def _place(typed, ask):
    """Name and position. Only what a place's name is made of leaves the house."""
    name = " ".join(typed.split())
    if not name or not all(each.isalpha() or each in " -'\u2019.,()" for each in name):
        raise SkillError("bad_place", "A place is written in letters.")
    url = "https://geocoding-api.open-meteo.com/v1/search?" + urlencode({"name": name, "count": 1, "format": "json"})
    found = _fetch(url, ask).get("results")
    if not found:
        raise SkillError("unknown_place", "That place is not known.")
    first = found[0]
    called = ", ".join(str(first[key])[:60] for key in ("name", "country") if first.get(key))
    return {"name": called, "latitude": _number(first.get("latitude")), "longitude": _number(first.get("longitude"))}


def _forecast(place, ask, kind, names, more):
    where = {"latitude": place["latitude"], "longitude": place["longitude"], "timezone": "auto", kind: ",".join(names), **more}
    found = _fetch("https://api.open-meteo.com/v1/forecast?" + urlencode(where), ask).get(kind)
    if not isinstance(found, dict):
        raise SkillError("unreadable", "open-meteo.com gave no figures.")
    return found


def _fetch(url, ask):
    try:
        answer = ask("http", url=url)
    except AskError as error:
        raise SkillError("unavailable", f"open-meteo.com cannot be asked ({error.code}).") from None
    if answer["status"] != 200:
        raise SkillError("unavailable", f"open-meteo.com answers {answer['status']}.")
    try:
        found = json.loads(answer["text"])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SkillError("unreadable", "open-meteo.com answers what is no JSON object.")
    return found


def _list(found, name):
    values = found.get(name)
    if not isinstance(values, list) or len(values) < len(found["time"]):
        raise SkillError("unreadable", "open-meteo.com gave not all figures.")
    return values


def _number(value):
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SkillError("unreadable", "open-meteo.com gave no number.")
    return value
