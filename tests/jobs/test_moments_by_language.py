"""Some two hundred ways to say a time in each of six languages, put together from words that are written down here again."""

from datetime import datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from secondme.core.errors import DataError
from secondme.core.jobs.moments import read_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=BERLIN)
"""A Sunday."""
DAYS = {
    "en": (["today"], ["tomorrow"], ["day after tomorrow"]),
    "de": (["heute"], ["morgen"], ["übermorgen", "uebermorgen"]),
    "es": (["hoy"], ["mañana"], ["pasado mañana"]),
    "fr": (["aujourd'hui"], ["demain"], ["après-demain", "apres demain"]),
    "it": (["oggi"], ["domani"], ["dopodomani"]),
    "pt": (["hoje"], ["amanhã"], ["depois de amanhã"]),
}
WEEKDAYS = {
    "en": "monday tuesday wednesday thursday friday saturday sunday | mon tue wed thu fri sat sun",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag | mo di mi do fr sa so",
    "es": "lunes martes miércoles jueves viernes sábado domingo | lun _ mié jue vie sáb dom",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche | lun _ mer jeu ven sam dim",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica | lun _ mer gio ven sab dom",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo | seg ter qua qui sex sáb dom",
}
TIMES = {
    "en": ["18:30", "at 18:30", "6:30pm", "at 6:30 pm"],
    "de": ["18:30", "um 18:30", "18.30", "18:30 Uhr"],
    "es": ["18:30", "a las 18:30", "18h30"],
    "fr": ["18:30", "à 18:30", "18h30"],
    "it": ["18:30", "alle 18:30", "18.30"],
    "pt": ["18:30", "às 18:30", "18h30"],
}
ON = {"en": ["on"], "de": ["am"], "es": ["el"], "fr": ["le"], "it": ["il"], "pt": []}
AMOUNTS = {
    "en": ("in", {"minutes": 1, "min": 1, "hours": 60, "h": 60, "days": 1440, "weeks": 10080}),
    "de": ("in", {"Minuten": 1, "min": 1, "Stunden": 60, "Std": 60, "Tagen": 1440, "Wochen": 10080}),
    "es": ("en", {"minutos": 1, "min": 1, "horas": 60, "días": 1440, "semanas": 10080}),
    "fr": ("dans", {"minutes": 1, "min": 1, "heures": 60, "jours": 1440, "semaines": 10080}),
    "it": ("fra", {"minuti": 1, "min": 1, "ore": 60, "giorni": 1440, "settimane": 10080}),
    "pt": ("daqui a", {"minutos": 1, "min": 1, "horas": 60, "dias": 1440, "semanas": 10080}),
}
VAGUE = {
    "en": "soon|later|this evening|tomorrow morning|next month|at noon|in a bit|every day 9:00|half past six",
    "de": "bald|später|heute abend|morgen früh|nächsten Monat|mittags|gleich|jeden Tag 9:00|halb sieben",
    "es": "pronto|luego|esta tarde|mañana por la mañana|el mes que viene|al mediodía|cada día 9:00",
    "fr": "bientôt|plus tard|ce soir|demain matin|le mois prochain|à midi|chaque jour 9:00",
    "it": "presto|più tardi|stasera|domani mattina|il mese prossimo|a mezzogiorno|ogni giorno 9:00",
    "pt": "logo|mais tarde|hoje à noite|amanhã de manhã|no mês que vem|ao meio-dia|todo dia 9:00",
}


def phrases(language: str) -> dict[str, datetime]:
    """What can be typed, and when it is."""
    at = NOW.replace(hour=18, minute=30)
    found = {}
    for ahead, words in enumerate(DAYS[language]):
        for word, time in product(words, TIMES[language]):
            found[f"{word} {time}"] = at + timedelta(days=ahead)
    for line in WEEKDAYS[language].split(" | "):
        for number, word in enumerate(line.split()):
            ahead = (number - NOW.weekday()) % 7
            for front, time in product(["", *ON[language]], TIMES[language]):
                if word != "_":
                    found[f"{front} {word} {time}".strip()] = at + timedelta(days=ahead)
    for (typed, day), time in product({"24.12.": (12, 24), "1.3.2027": (3, 1), "2027-01-15": (1, 15)}.items(), TIMES[language]):
        month, number = day
        found[f"{typed} {time}"] = datetime(2026 if month == 12 else 2027, month, number, 18, 30, tzinfo=BERLIN)
    before, units = AMOUNTS[language]
    for (unit, minutes), count in product(units.items(), (2, 3, 10, 45)):
        found[f"{before} {count} {unit}"] = NOW + timedelta(minutes=count * minutes)
    return found


@pytest.mark.parametrize("language", sorted(DAYS))
def test_two_hundred_ways_to_say_a_time_are_understood(language: str) -> None:
    told = {way: meant for typed, meant in phrases(language).items() for way in (typed, typed.upper(), typed.replace(" ", "  "))}
    assert len(told) >= 200
    wrong = {}
    for typed, meant in told.items():
        try:
            found = read_moment(f"{typed} call them", NOW, "Europe/Berlin")
        except DataError as error:
            wrong[typed] = error.code
            continue
        if found.at != meant or found.rest != "call them":
            wrong[typed] = f"{found.at} {found.rest}"
    assert wrong == {}


@pytest.mark.parametrize("language", sorted(VAGUE))
def test_what_is_vague_is_refused_in_each(language: str) -> None:
    for typed in VAGUE[language].split("|"):
        with pytest.raises(DataError) as caught:
            read_moment(f"{typed} call them", NOW, "Europe/Berlin")
        assert caught.value.fix, typed


@pytest.mark.parametrize(("now", "meant"), [((2026, 10, 24), (2026, 10, 25)), ((2027, 3, 27), (2027, 3, 28))])
def test_in_a_day_is_the_same_time_of_the_next_also_when_the_clocks_change(
    now: tuple[int, int, int], meant: tuple[int, int, int]
) -> None:
    found = read_moment("in 1 day tea", datetime(*now, 12, tzinfo=BERLIN), "Europe/Berlin")
    assert found.at == datetime(*meant, 12, tzinfo=BERLIN)
