"""What is counted in one message: emoji, formality, punctuation, greetings, its language. In many languages, and never a word of its text."""

# ruff: noqa: RUF001  letters of many scripts are the point

import time
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.files import table
from secondme.core.records import OwnMessage
from secondme.core.remember.style import Measure, measure, profile_of
from secondme.core.remember.style.measure import WORD, emoji_in, fixed, folded, guess, laughs, listed


def of(text: str) -> Measure:
    return measure(own(text))


def own(text: str) -> OwnMessage:
    return OwnMessage(id="m", at=datetime(2026, 3, 1, tzinfo=UTC), text=text)


@pytest.mark.parametrize(
    ("text", "emoji"),
    [
        ("12345 #1 * 007", []),
        ("© ® ™ ↔ ▶ № ½", []),
        ("ok 👍", ["👍"]),
        ("👍🏽👍🏿", ["👍🏽", "👍🏿"]),
        ("👨‍👩‍👧‍👦", ["👨‍👩‍👧‍👦"]),
        ("🏳️‍🌈 ❤️‍🔥", ["🏳️‍🌈", "❤️‍🔥"]),
        ("🇪🇸🇩🇪", ["🇪🇸", "🇩🇪"]),
        (
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            ["🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"],
        ),
        ("🏴\U000e0068\U000e0069\U000e0064\U000e0065\U000e007f", ["🏴"]),
        ("5️⃣ #️⃣", ["5️⃣", "#️⃣"]),
        ("❤ ❤️ ☺︎ ✌", ["❤️", "❤️", "✌️"]),
        ("©️", ["©️"]),
        ("🫠🫨🩷", ["🫠", "🫨", "🩷"]),
        ("漢字 текст ümlaut", []),
    ],
)
def test_emoji_are_whole_pictures_and_digits_are_none(text: str, emoji: list[str]) -> None:
    assert emoji_in(text) == emoji


def test_of_a_wall_of_emoji_the_first_five_are_kept_and_all_are_counted() -> None:
    found = of("😂🎉👍🙏❤️😍" * 10)
    assert (found.emoji, found.emoji_count) == (("😂", "🎉", "👍", "🙏", "❤️"), 60)


@given(st.text())
def test_nothing_but_emoji_is_ever_kept_as_one(text: str) -> None:
    for emoji in emoji_in(text):
        assert len(emoji) <= 32
        assert not any(character.isalpha() for character in emoji)


@pytest.mark.parametrize(
    ("text", "formality"),
    [
        ("They tell you that your youth is the best", 0.5),  # neither hey nor yo: words, not parts of words
        ("hey, gonna be late lol", 0.5 - 0.3 - 0.15),
        ("Could you send it please? Thank you.", 0.5 + 0.3 + 0.1),
        ("I don't know and I can't say and it's late and we're off", 0.5 - 0.15),
        ("yo no lo sé todavía, mañana te digo", 0.5 - 0.15),  # `yo` is Spanish here
        ("¿Podría usted enviarlo, por favor?", 0.5 + 0.3 + 0.1),
        ("Könnten Sie mir die Unterlagen schicken?", 0.5 + 0.2 + 0.1),
        ("Ich glaube, sie kommt heute nicht.", 0.6),  # `sie` is she
        ("na was geht digga, bist du da", 0.5 - 0.2 - 0.15),
        ("Pourriez-vous m'envoyer votre devis ?", 0.5 + 0.3 + 0.1),
        ("t'es où ? mdr", 0.5 - 0.1 - 0.15),
        ("La ringrazio e resto in attesa.", 0.5 + 0.2 + 0.1),
        ("boh dai ci vediamo domani raga", 0.5 - 0.3 - 0.15),
        ("O senhor poderia enviar o orçamento?", 0.5 + 0.2 + 0.1),
        ("vc vem hoje? kkkk blz", 0.5 - 0.3 - 0.15),
        ("ok", 0.35),
        ("Ok", 0.5),
        ("Sure...", 0.5),
        ("Sure 🙂", 0.5),
        ("I will be there at nine. 🙂", 0.6),
        ("今天晚上一起吃饭", 0.5),
    ],
)
def test_formality_counts_words_in_their_language(text: str, formality: float) -> None:
    assert of(text).formality == pytest.approx(formality)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("Wait...", "ellipses", 1),
        ("Wait…", "ends_with_period", False),
        ("Wait...", "ends_with_period", False),
        ("Done.", "ends_with_period", True),
        ("好的。", "ends_with_period", True),
        ("ठीक है।", "ends_with_period", True),
        ("what?! no!", "exclamations", 2),
        ("真的？！", "questions", 1),
        ("متى؟", "questions", 1),
        ("τι κάνεις; καλά;", "questions", 2),
        ("first; second", "questions", 0),
        ("¿Vienes?", "opens", True),
        ("all small letters", "is_lower", True),
        ("123", "is_lower", False),
        ("Not small", "starts_with_capital", True),
        ("¡Él vino!", "starts_with_capital", True),
        ("🙂 ok", "starts_with_capital", False),
        ("ok", "starts_small", True),
        ("Ok", "starts_small", False),
        ("好", "starts_small", False),
        ("12 ok", "starts_small", True),
        ("", "starts_small", False),
        ("yes, at 5,5, no", "commas", 2),
        ("好的\uff0c那、就", "commas", 2),
        ("نعم، لا", "commas", 1),
        ("don't, can’t", "apostrophes", 2),
        ("don't, can’t", "curly_apostrophes", 1),
        ("'quoted' words'", "apostrophes", 0),
        ("dont know, cant say", "bare_words", 2),
        ("ich bin im Haus", "bare_words", 0),
        ("cest pas ce que jai dit", "bare_words", 2),
    ],
)
def test_what_is_counted_in_a_message(text: str, field: str, value: object) -> None:
    assert getattr(of(text), field) == value


@pytest.mark.parametrize(
    ("text", "laughter"),
    [
        ("Jajajaja qué bueno", "jaja"),
        ("ajá", ""),
        ("ajajajá", "jaja"),
        ("jaja ich weiß nicht ob das geht", ""),  # German: yes yes
        ("haha", "haha"),
        ("HAHAHHA", "haha"),
        ("bahaha", ""),
        ("ahahah no", "ahah"),
        ("hehe", "hehe"),
        ("lol", "lol"),
        ("Lola", ""),
        ("xDDD", "xd"),
        ("kkkkk", "kkk"),
        ("rs não sei o que é isso", "rs"),
        ("500 rs only", ""),
        ("rsrsrs", "rsrs"),
        ("mdrrr", "mdr"),
        ("аххахах", "ахах"),
        ("хахаха", "хаха"),
        ("ххх", "ххх"),
        ("חחחחח", "חחח"),
        ("ههههه", "ههه"),
        ("哈哈哈哈好", "哈哈"),
        ("まじかwww", "www"),
        ("それなw", "www"),
        ("www.example.org", ""),
        ("いいね(笑)", "笑"),
        ("笑うよね", ""),
        ("ㅋㅋㅋ", "ㅋㅋ"),
        ("55555 ไปไหนมา", "555"),
        ("call 5555", ""),
        ("Harry, sahara, jajce", ""),
        ("", ""),
    ],
)
def test_laughter_is_kept_as_the_list_spells_it(text: str, laughter: str) -> None:
    assert of(text).laughter == laughter


@pytest.mark.parametrize(
    ("text", "greeting", "sign_off"),
    [
        ("Hi Anna, see the file. Best regards, Sam", "hi", "best regards"),
        ("Highway closed, take careful turns", "", ""),
        ("¡Buenos días! Mañana lo vemos, un abrazo", "buenos días", "un abrazo"),
        ("Sehr geehrte Frau Kern,\nanbei die Liste.\nMit freundlichen Grüßen\nSam", "sehr geehrte", "mit freundlichen grüßen"),
        ("salut ça va ? à demain 😘", "salut", "à demain"),
        ("Ciao Marta, ci sentiamo. Un abbraccio", "ciao", "un abbraccio"),
        ("oi! até amanhã bjs", "oi", "bjs"),
        ("привет, завтра в 8. пока", "привет", "пока"),
        ("你好，明天见吧，晚安", "你好", "晚安"),
        ("안녕하세요 내일 봐요 감사합니다", "안녕하세요", "감사합니다"),
        (unicodedata.normalize("NFD", "¡Buenos días!"), "buenos días", ""),
        ("Anna", "", ""),
    ],
)
def test_greetings_and_sign_offs_are_words_of_the_lists_and_never_names(text: str, greeting: str, sign_off: str) -> None:
    assert (of(text).greeting, of(text).sign_off) == (greeting, sign_off)


@given(st.text(max_size=200))
def test_a_measure_holds_no_word_that_is_not_in_the_lists(text: str) -> None:
    found = of(text)
    assert found.greeting in {"", *fixed("greetings").values()}
    assert found.sign_off in {"", *fixed("sign_offs").values()}
    assert found.laughter in {"", *laughs()}
    others = {"", "el", "he", "fa", "ar", "hi", "th", "ja", "ko", "zh", "uk", "ru"}
    assert found.language in {*others, *table("remember.style", "words")}
    assert 0 <= found.formality <= 1


LANGUAGES = {
    "en": ["what are you doing tonight", "I think that's the best one", "she would have called", "where is the key"],
    "es": ["¿qué haces esta noche?", "no sé si voy a ir", "mañana te llamo", "el coche está en casa"],
    "de": ["was machst du heute abend", "ich weiß nicht ob das geht", "wir sind gleich da", "das ist nicht so gut"],
    "fr": [
        "tu fais quoi ce soir",
        "je ne sais pas si c'est possible",
        "on est dans la voiture avec lui",
        "il y a une réunion demain",
    ],
    "it": ["cosa fai questa sera", "non so se posso venire", "sono a casa con gli altri", "perché non vieni anche tu"],
    "pt": ["o que você vai fazer hoje", "não sei se vou conseguir", "estou em casa com ela", "amanhã eu te ligo"],
    "ru": ["что делаешь вечером"],
    "uk": ["що робиш ввечері, їдеш?"],
    "el": ["τι κάνεις απόψε"],
    "he": ["מה אתה עושה הערב"],
    "ar": ["ماذا تفعل الليلة"],
    "hi": ["आज रात क्या कर रहे हो"],
    "th": ["คืนนี้ทำอะไร"],
    "ja": ["今夜は何をしますか"],
    "ko": ["오늘 밤 뭐 해"],
    "zh": ["今天晚上做什么"],
    "": ["ok", "👍", "12:30", "", "haha"],
}


def test_the_language_of_a_message_is_told_by_its_script_or_its_small_words() -> None:
    cases = [(language, text) for language, texts in LANGUAGES.items() for text in texts]
    wrong = [(language, text, found) for language, text in cases if (found := guess(text, WORD.findall(folded(text)))) != language]
    print(f"\nlanguage: {len(cases) - len(wrong)} of {len(cases)} right {wrong}")
    assert wrong == []


def test_every_list_is_read_and_no_entry_is_empty_or_long() -> None:
    for language in table("remember.style", "words"):
        for kind in table("remember.style", "words")[language]:
            if kind != "letters":
                assert listed(kind, language), (language, kind)
                assert max(map(len, listed(kind, language))) <= 40


def test_every_spelling_of_laughter_is_read_as_itself() -> None:
    for spelling, only in laughs().items():
        sample = {"rs": "rs não sei o que é isso", "555": "555 ไปไหนมา", "草": "めっちゃ草"}[spelling] if only else spelling
        assert of(sample).laughter == spelling, spelling


def test_what_measuring_costs() -> None:
    texts = [text for texts in LANGUAGES.values() for text in texts] + [
        "Hi Anna, here is the file you asked for 🙂. Best, Sam"
    ] * 20
    messages = [own(text) for text in texts * 20]
    profile_of(messages)
    begun = time.process_time()
    profile = profile_of(messages)
    print(f"\nmeasuring: {(time.process_time() - begun) / len(messages) * 1e6:.0f} us CPU a message")
    assert profile is not None
    assert profile.sample_count == len(messages)


def test_a_wall_of_text_is_measured_in_bounded_time() -> None:
    begun = time.process_time()
    for text in (
        "😂" * 100_000,
        "un abrazo " * 20_000,
        "a" * 200_000,
        "¿" * 200_000,
        "." * 200_000,
        "Hi, " * 50_000,
        "ha" * 100_000,
        "hhaa" * 9000 + "x",
    ):
        measure(own(text))
    assert time.process_time() - begun < 5
