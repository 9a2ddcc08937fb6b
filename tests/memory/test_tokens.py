"""What is looked for of a text: the same in a message and in a question, in every script."""

# ruff: noqa: RUF001  letters of many scripts are the point

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.memory.tokens import COMMON, nearest, searchable, tokens


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("She was running the marathons", "run marathon"),
        ("Ich habe zwei Äpfel gekauft", "apfel"),
        ("Mañana vamos al médico", "MANANA medico"),
        ("Une idée reçue", "idee recu"),
        ("Gżegżółka w Łodzi", "gzegzolka lodzi"),
        ("İstanbul'da güzel bir gün", "istanbul"),
        ("Mẹ tôi nấu phở rất ngon", "pho"),
        ("Вчера купил новую машину и старый дом", "новая машина старые дома"),
        ("Αγόρασα ένα καινούργιο αυτοκίνητο", "αυτοκινητα"),
        ("اشتريتُ سيارةً جديدة", "سيارة"),
        ("قرأت الكتاب الجديد", "كتاب"),
        ("קנינו בית חדש", "בית"),
        ("कल हम नई किताबें खरीदने गए", "किताब"),
        ("我昨天在北京大学图书馆遇到了张伟", "图书馆"),
        ("お母さんの誕生日プレゼントを買った", "誕生日"),
        ("ﾌﾟﾚｾﾞﾝﾄ", "プレゼント"),
        ("แม่ซื้อแมวตัวใหม่แล้ว", "แมว"),
        ("엄마가 김치를 만드셨다", "김치"),
        ("Ｆｕｌｌ ｗｉｄｔｈ ２０２４", "full width 2024"),
        ("ran 5km", "5 km"),
    ],
)
def test_a_question_has_the_tokens_of_what_it_asks_for(said: str, asked: str) -> None:
    assert tokens(asked)
    assert set(tokens(asked)) <= set(tokens(said))


@pytest.mark.parametrize(
    ("asked", "known", "expected"),
    [
        ("Geburtstag", "Die Geburtstagsparty war toll, morgen regnet es", "Geburtstagsparty"),
        ("restaurent", "We visited the restaurant on Friday", "restaurant"),
        ("Straßenbahn", "Die Straßenbahnen fahren", "Straßenbahnen"),
        ("zebra", "We visited the restaurant on Friday", ""),
    ],
)
def test_a_word_that_nobody_wrote_stands_for_those_like_it(asked: str, known: str, expected: str) -> None:
    assert nearest(tokens(asked)[0], tokens(known)) == tokens(expected)


def test_what_says_nothing_is_left_out_and_what_says_little_is_marked() -> None:
    marked = tokens("What is the name of your cat?")
    assert marked == ["-what", "name", "-your", "cat"]
    assert searchable(marked) == ["name", "cat"]


@given(st.text(max_size=300))
def test_no_text_makes_a_token_that_an_index_could_not_hold(text: str) -> None:
    for token in tokens(text):
        assert token.encode().decode() == token
        assert not set('" \n\0()*:^') & set(token)
        assert COMMON not in token[1:]


@given(st.text(max_size=100), st.sampled_from(["upper", "lower", "title"]))
def test_tokens_are_the_same_twice(text: str, form: str) -> None:
    assert tokens(text) == tokens(text)
    ascii_only = text.encode("ascii", "ignore").decode()
    assert tokens(getattr(ascii_only, form)()) == tokens(ascii_only)
