"""What is spoken and what is written, in six languages and several scripts."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.media.speech_rules import disclosure, spoken_text, why_written

SPOKEN = [
    "Sure, see you at 18:30!",
    "I'll be there at 6:30 pm, or 7 at the latest 😊",
    "It was in 2019, not in 2021.",
    "From 2019-2024 I lived there; 24/7 was nothing.",
    "Let's say 24.12.2026, or 12/24/2026.",
    "Between 10-12 I'm free; 5, 6 or 7 people come.",
    "It's 25 °C and 100 % humid, that's 3 kg or 999 euros",
    "and/or, e.g. tomorrow, z.B. morgen, i.e. soon... ok :)",
    "My iPhone 15 plays MP3 and MP4, B2B and so on; the A4 paper, the 2nd of May.",
    "Wait. What?\nReally, I can't believe it.\nTell me more.",
    "I love you <3",
    "haha xD ¯\\_(ツ)_/¯ no idea",
    "Klar, bis morgen um 18.30 Uhr!",
    "Ich komme um 18 Uhr 30, so gegen 8 oder 9.",
    "Ja genau, das war 1989 in Köln",
    "Vale, nos vemos a las 18:30, ¿te parece?",
    "Sí, fue en 2020. ¡Qué años!",
    "D'accord, à 18h30 chez moi ?",
    "On se voit le 14/07/2026, ça marche !",
    "Beleza, te vejo às 18h30. Até já!",
    "Va bene, ci vediamo alle 18:30.",
    "Perché no? Nel 2027, magari...",
    "Привет, увидимся в 18:30",
    "明日の18:30に会いましょう。",
    "نلتقي غداً إن شاء الله",
    "می‌خواهم بیایم",
    "ठीक है, कल मिलते हैं",
    "👍🏽 ok",
    "It takes 1h30m, from 9:00 - 17:30 or 18:00-19.",
    "On 24.12. or 24.12.2026 18:30.",
    "2019/20 was a good season, 1, 2, 3, 4, go!",
]
WRITTEN = {
    "link": [
        "Look: https://example.org/x",
        "HTTP://EXAMPLE.ORG",
        "www.example.com has it",
        "write to anna.b+x@example.co.uk",
        "schreib an anna@beispiel.de bitte",
        "está en ejemplo.es/menu",
        "c'est sur exemple.fr.",
        "vai em exemplo.com",
        "guarda su esempio.it!",
        "tg://resolve",
        "siehe \uff45xample.org",
    ],
    "number": [
        "Call 0171 2345678",
        "mobile +49 (171) 234-5678",
        "ruf mich an: 030/1234",
        "llámame al 612 34 56 78",
        "appelle le 06.12.34.56.78",
        "liga para 11 91234-5678",
        "chiama il 347 1234567",
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016",
        "The code is 4821",
        "Der Code ist 12-34-56",
        "el código es 1 2 3 4",
        "le code est 12 34",
        "o código é 0 0 4 2",
        "il codice è 9-8-7-6",
        "Booking X7K9P2",
        "pnr A7X9Q",
        "Card 1984 2026 1999 2001",
        "on 18:30 1234",
        "رقمي ٠١٧١٢٣٤",
        "code \uff14\uff18\uff12\uff11",
        "It costs 12,500 euros",
        "ping 192.168.0.1",
        "in 2019-2021-2022",
    ],
    "list": [
        "Buy:\n- milk\n- eggs",
        "1. milk\n2. eggs",
        "a) red\nb) blue",
        "• eins\n• zwei",
        "leche\nhuevos\npan",
        "Il faut :\nlait\noeufs\npain",
        "* latte",
        "(1) leite",
    ],
    "markup": [
        "use `ls`",
        "<b>yes</b>",
        "this is *important* now",
        "that is _so_ good",
        "~no~ yes",
        "# Title\ntext here.",
        "call print() there",
        "set my_variable first",
        "if a == b && c",
        "{json: yes}",
        "see C:\\Users",
        "see /etc/hosts please",
        "|a|b|",
    ],
    "no_words": ["", " ", "👍", "❤️❤️", "👨‍👩‍👧‍👦", "🇩🇪", "1️⃣2️⃣", "?!", ":)", "100 %", "18:30", "\u200d", "\ufe0f", "<3 :D", "4821"],
}


@pytest.mark.parametrize("text", SPOKEN)
def test_what_people_say_is_spoken(text: str) -> None:
    assert why_written(text, 300) is None


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in WRITTEN.items() for text in texts])
def test_what_is_to_be_tapped_copied_or_looked_at_is_written(reason: str, text: str) -> None:
    assert why_written(text, 300) == reason


def test_what_is_longer_than_allowed_is_written_and_what_is_not_heard_does_not_count() -> None:
    assert why_written("a" * 300, 300) is None
    assert why_written("a" * 301, 300) == "too_long"
    assert why_written("a" * 300 + " 😊😊😊", 300) is None


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("Hi 😊 there 👩‍👩‍👧", "Hi there"),
        ("good👍🏽morning", "good morning"),
        ("one\ntwo!\n\nthree", "one. two! three"),
        ("ok :) see you <3", "ok see you"),
        ("left\u202eright\u200b\x07", "leftright"),
        ("25 °C № 3", "25 °C № 3"),
        ("می‌خواهم", "می‌خواهم"),
        ("क्‍ष", "क्‍ष"),
        ("1️⃣ first", "first"),
        ("🇩🇪 Deutsch", "Deutsch"),
        ("\tyes\u00a0no ", "yes no"),
        ("half \ud83d of it", "half of it"),
        ("~ \U000e0067\U000e007f x", "~ x"),
    ],
)
def test_an_engine_is_given_one_line_of_what_can_be_heard(text: str, heard: str) -> None:
    assert spoken_text(text) == heard


TEXTS = st.text(st.characters(), max_size=200) | st.text("ab 1234567890:./-–h\n*_`<😊\u200d\ufe0f", max_size=200)  # noqa: RUF001  a dash


@given(TEXTS)
def test_what_is_spoken_is_one_plain_line_and_stays_as_it_is(text: str) -> None:
    heard = spoken_text(text)
    assert heard.strip() == heard
    assert not {unicodedata.category(each) for each in heard} & {"Cc", "Cs", "Co", "Cn"}
    assert "\n" not in heard
    assert why_written(text, 300) in {None, *WRITTEN, "too_long"}
    assert len(spoken_text(heard)) <= len(heard)


@given(
    st.text("0123456789", min_size=5, max_size=12), st.sampled_from(["", " ", "-", ".", "/", " - "]), st.sampled_from(SPOKEN[:10])
)
def test_five_digits_are_never_spoken_whatever_stands_between_them(digits: str, between: str, around: str) -> None:
    assert why_written(f"{around} {between.join(digits)} please", 300) is not None


@given(st.text(max_size=100), st.sampled_from(["https://a.b/c", "x@example.org", "0171 234567", "`x`"]))
def test_nothing_around_it_makes_a_link_or_a_number_speakable(text: str, what: str) -> None:
    assert why_written(f"{text} {what} ok", 1000) is not None


@pytest.mark.parametrize("piece", ["1 ", "a.", "*a", "_a", "1.1.", "A1", "A11", "x@", ":(", "((", "~a", "-1", "a1b\n", "</"])
def test_long_texts_of_one_kind_are_judged_in_no_time(piece: str) -> None:
    text = piece * 20_000
    assert why_written(text, 100_000) in {None, *WRITTEN, "too_long"}
    assert why_written(f"a {text}", 100_000) in {None, *WRITTEN, "too_long"}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "This voice is generated by Sam's AI assistant."),
        ("de", "Diese Stimme wird vom KI-Assistenten von Sam erzeugt."),
        ("es", "Esta voz la genera el asistente de IA de Sam."),
        ("fr", "Cette voix est générée par l'assistant IA de Sam."),
        ("pt-BR", "Esta voz é gerada pelo assistente de IA de Sam."),
        ("it", "Questa voce è generata dall'assistente IA di Sam."),
        ("xx", "This voice is generated by Sam's AI assistant."),
        ("", "This voice is generated by Sam's AI assistant."),
    ],
)
def test_a_contact_is_told_in_their_language_that_a_machine_speaks(language: str, said: str) -> None:
    assert disclosure("Sam", language) == said


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "pt", "it"])
def test_an_owner_without_a_name_has_an_assistant_too(language: str) -> None:
    said = disclosure("\u200b", language)
    assert "{" not in said
    assert said.endswith(".")
    assert why_written(said, 300) is None


def test_an_owners_name_is_a_name_and_nothing_else() -> None:
    assert disclosure("S\nam\x1b[31m{name}", "en").startswith("This voice is generated by S")
    assert "\n" not in disclosure("S\nam", "en")
