"""The clock: the time at a place. The gateway knows the zones; which place lies in which is here."""

from datetime import datetime

PLACES = {
    "bangalore": "Asia/Kolkata",
    "barcelona": "Europe/Madrid",
    "bayern": "Europe/Berlin",
    "beijing": "Asia/Shanghai",
    "boston": "America/New_York",
    "california": "America/Los_Angeles",
    "cologne": "Europe/Berlin",
    "delhi": "Asia/Kolkata",
    "edinburgh": "Europe/London",
    "florence": "Europe/Rome",
    "frankfurt": "Europe/Berlin",
    "geneva": "Europe/Zurich",
    "hamburg": "Europe/Berlin",
    "istanbul": "Europe/Istanbul",
    "köln": "Europe/Berlin",
    "kyoto": "Asia/Tokyo",
    "las vegas": "America/Los_Angeles",
    "marrakesh": "Africa/Casablanca",
    "miami": "America/New_York",
    "milan": "Europe/Rome",
    "montreal": "America/Toronto",
    "mumbai": "Asia/Kolkata",
    "munich": "Europe/Berlin",
    "münchen": "Europe/Berlin",
    "naples": "Europe/Rome",
    "osaka": "Asia/Tokyo",
    "philadelphia": "America/New_York",
    "porto": "Europe/Lisbon",
    "rio": "America/Sao_Paulo",
    "rio de janeiro": "America/Sao_Paulo",
    "saint petersburg": "Europe/Moscow",
    "san diego": "America/Los_Angeles",
    "san francisco": "America/Los_Angeles",
    "seattle": "America/Los_Angeles",
    "sevilla": "Europe/Madrid",
    "tel aviv": "Asia/Jerusalem",
    "valencia": "Europe/Madrid",
    "venice": "Europe/Rome",
    "washington": "America/New_York",
    "wien": "Europe/Vienna",
}


def there(given, ask):
    place = " ".join(given["place"].split())
    moment = ask.now
    if given.get("at"):
        try:
            moment = datetime.fromisoformat(given["at"]).replace(tzinfo=ask.now.tzinfo)
        except ValueError:
            raise SkillError("bad_time", "A time looks like 2026-12-01T15:00.") from None
    try:
        found = ask("zone", place=PLACES.get(place.casefold(), place), at=moment.isoformat())
    except AskError:
        raise SkillError("unknown_place", "No time zone is known for that place.") from None
    return {
        "place": place,
        "local": found["local"],
        "zone": found["zone"],
        "owner": moment.isoformat(timespec="minutes"),
        "difference_hours": found["offset_s"] / 3600 - moment.utcoffset().total_seconds() / 3600,
    }
