"""What real exports do to their readers."""

from pathlib import Path

import pytest
from remember.exports.chats import at, read
from remember.exports.dialects import LRM, NNBSP, PHONES

TEXT, SYSTEM, MEDIA = "text", "system", "media"


def test_a_continuation_that_looks_like_a_date_stays_in_its_message(tmp_path: Path) -> None:
    text = "31.12.21, 20:03 - Anna: plans:\n12/31/21, 8:00 PM - Bob: come\n2021-12-31\n[31.12.21, 20:03:00] Cara: hi\n1. 1. 22 done\n31.12.21, 20:04 - Sam: ok\n"
    done = read(tmp_path, text)
    assert [(author, len(words.split("\n"))) for _, author, words in done.facts] == [("Anna", 5), ("Sam", 1)]
    assert (done.export.chat.people, done.is_accounted_for) == ({"Anna": 1, "Sam": 1}, True)


def test_a_list_of_dates_in_the_very_dialect_stays_in_its_message(tmp_path: Path) -> None:
    text = "30.12.21, 20:03 - Anna: plans:\n05.01.22, 10:00 - breakfast\n06.01.22, 11:00 - the lake\nbring towels\n30.12.21, 20:05 - Sam: ok\n"
    done = read(tmp_path, text)
    assert done.facts == [
        (TEXT, "Anna", "plans:\n05.01.22, 10:00 - breakfast\n06.01.22, 11:00 - the lake\nbring towels"),
        (TEXT, "Sam", "ok"),
    ]
    assert (done.messages[0].lines, done.is_accounted_for) == (4, True)


def test_a_notice_in_an_unknown_language_between_its_neighbours_is_a_notice(tmp_path: Path) -> None:
    text = (
        "30.12.21, 20:03 - Anna: hi\n30.12.21, 20:04 - Anna fecit aliquid\n30.12.21, 20:05 - Sam: ok\n31.12.21, 01:00 - Sam abiit\n"
    )
    assert [(kind, author) for kind, author, _ in read(tmp_path, text).facts] == [
        (TEXT, "Anna"),
        (SYSTEM, None),
        (TEXT, "Sam"),
        (SYSTEM, None),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "A - B",
        "Ann:a",
        "[x]",
        "Dr. Müller (work): old",
        "~ Anna",
        "+49 151 234",
        "1/2/21, 10:00",
        "a: b",
        "Grup Admin",
        "Anna ander nummer",
        "die Gruppe",
        "Shop (business account)",
    ],
)
def test_names_may_have_anything_in_them(name: str, tmp_path: Path) -> None:
    phone = PHONES["de"]
    lines = [phone.text(at(30, 10, minute), name if minute % 2 else "Sam", f"word {minute}") for minute in range(8)]
    done = read(tmp_path, "\n".join(lines))
    assert done.export.chat.people == {name: 4, "Sam": 4}
    assert [words for *_, words in done.facts] == [f"word {minute}" for minute in range(8)]


def test_a_known_name_with_a_colon_needs_no_repetition(tmp_path: Path) -> None:
    text = "30.12.21, 20:03 - Mum: mobile: hello: you\n30.12.21, 20:04 - Sam: hi\n"
    assert read(tmp_path, text, "Mum: mobile").facts == [(TEXT, "Mum: mobile", "hello: you"), (TEXT, "Sam", "hi")]
    assert read(tmp_path, text).facts[0] == (TEXT, "Mum", "mobile: hello: you")


def test_phone_numbers_lose_the_marks_around_them(tmp_path: Path) -> None:
    done = read(tmp_path, "30.12.21, 20:03 - \u202a+49 151 234\u202c: hello\n30.12.21, 20:03 - ~\u202fBen: hi\n")
    assert done.export.chat.people == {"+49 151 234": 1, "~ Ben": 1}


def test_what_a_person_types_is_text_even_if_it_is_whatsapps_sentence(tmp_path: Path) -> None:
    text = "12/31/21, 8:03 PM - Anna: Missed voice call\n12/31/21, 8:04 PM - Anna: <3\n12/31/21, 8:05 PM - Anna: (file attached)\n"
    assert {kind for kind, *_ in read(tmp_path, text).facts} == {TEXT}


def test_what_ios_marks_is_nobodys_word_in_any_language(tmp_path: Path) -> None:
    text = f"[31.12.21, 20:03:00] Anna: hi\n{LRM}[31.12.21, 20:04:00] Anna: {LRM}Nuntius Annae\n[31.12.21, 20:05:00] Sam: {LRM}@Anna hello\n"
    done = read(tmp_path, text)
    assert done.facts == [(TEXT, "Anna", "hi"), (SYSTEM, None, "Nuntius Annae"), (TEXT, "Sam", "@Anna hello")]
    assert [each.words for each in done.messages] == ["hi", "", "@Anna hello"]


def test_empty_messages_have_no_words_and_keep_their_author(tmp_path: Path) -> None:
    done = read(tmp_path, "30.12.21, 20:03 - Anna: \n30.12.21, 20:04 - Sam:\n30.12.21, 20:05 - Sam: null\n")
    assert done.facts == [(TEXT, "Anna", ""), (TEXT, "Sam", ""), (MEDIA, "Sam", "null")]
    assert [each.words for each in done.messages] == ["", "", ""]


@pytest.mark.parametrize(
    ("body", "words", "media"),
    [
        ("IMG-20211231-WA0001.jpg (file attached)\nlook at this", "look at this", "IMG-20211231-WA0001.jpg"),
        ("IMG-20211231-WA0001.jpg (in quacumque lingua)", "", "IMG-20211231-WA0001.jpg"),
        ("<Media omitted>\nreport final.pdf", "", None),
        ("<Media omitted>\nso funny", "so funny", None),
        ("Anna.vcf (file attached)", "", "Anna.vcf"),
        ("location: https://maps.google.com/?q=1.5,2.5", "", None),
        ("POLL:\nPizza?\nOPTION: yes (2 votes)", "", None),
        ("live location shared", "", None),
    ],
)
def test_a_caption_is_its_authors_word_and_the_placeholder_is_not(body: str, words: str, media: str | None, tmp_path: Path) -> None:
    (message,) = read(tmp_path, f"12/31/21, 8:03 PM - Anna: {body}\n").messages
    assert (message.kind.value, message.words, message.media, message.text) == (MEDIA, words, media, body)


def test_ios_puts_its_placeholder_behind_the_caption(tmp_path: Path) -> None:
    lines = ("so funny ", "a.pdf • 3 pages ", "")
    text = (
        "".join(f"[31.12.21, 20:03:00] Anna: {words}{LRM}<attached: 01-PHOTO.jpg>\n" for words in lines)
        + f"[31.12.21, 20:03:00] Anna: two\nlines {LRM}image omitted\n"
    )
    done = read(tmp_path, text)
    assert [(each.kind.value, each.words) for each in done.messages] == [
        (MEDIA, "so funny"),
        (MEDIA, ""),
        (MEDIA, ""),
        (MEDIA, "two\nlines"),
    ]


def test_the_mark_of_an_edited_message_is_not_part_of_it(tmp_path: Path) -> None:
    done = read(
        tmp_path,
        f"[31.12.21, 20:03:00] Anna: hi {LRM}<Nuntius mutatus>\n[31.12.21, 20:03:00] Anna: ho <This message was edited>\n[31.12.21, 20:03:00] Anna: a <b>\n",
    )
    assert [each.words for each in done.messages] == ["hi", "ho", "a <b>"]


def test_a_placeholder_in_an_unknown_language_is_known_by_its_repetition(tmp_path: Path) -> None:
    lines = [f"30.12.21, 20:0{n} - Anna: <Pictura omissa>" for n in range(3)] + ["30.12.21, 20:05 - Sam: <b>"] * 3
    assert [kind for kind, *_ in read(tmp_path, "\n".join(lines)).facts] == [MEDIA] * 3 + [TEXT] * 3


TWO = "12/31/21, 8:03 PM - Anna: hi\n12/31/21, 8:04 PM - Sam: ho\n"
TWO_ON_IOS = "[31.12.21, 20:04:00] Anna: hi\n[31.12.21, 20:05:00] Sam: ho\n"
CREATED = '12/31/21, 8:00 PM - Anna created group "Trip: Rome"\n'


@pytest.mark.parametrize(
    ("text", "is_group"),
    [
        (TWO, False),
        (CREATED + TWO, False),
        (CREATED * 2 + TWO, False),
        (CREATED + "12/31/21, 8:01 PM - Anna added Sam\n" + TWO, True),
        (TWO + "12/31/21, 8:05 PM - Cara: hu\n", True),
        (f"[31.12.21, 20:03:00] Trip: {LRM}Nuntius\n[31.12.21, 20:04:00] Anna: hi\n[31.12.21, 20:05:00] Sam: ho\n", False),
        (f"[31.12.21, 20:03:00] Trip: {LRM}Nuntius\n[31.12.21, 20:03:30] Trip: {LRM}Alius\n" + TWO_ON_IOS, True),
        ("[31.12.21, 20:03:00] Trip: Messages and calls are end-to-end encrypted. No one can read them.\n" + TWO_ON_IOS, False),
    ],
)
def test_authors_make_a_group_and_one_sentence_does_not(text: str, is_group: bool, tmp_path: Path) -> None:
    assert read(tmp_path, text).export.chat.is_group is is_group


def test_a_sentence_of_whatsapps_may_quote_a_colon(tmp_path: Path) -> None:
    text = '12/31/21, 8:00 PM - Anna changed the group name from "Trip: Rome" to "x"\n12/31/21, 8:01 PM - Your security code with Mum: mobile changed.\n12/31/21, 8:02 PM - Anna: "a": b\n'
    done = read(tmp_path, text)
    assert [(kind, author) for kind, author, _ in done.facts] == [(SYSTEM, None), (SYSTEM, None), (TEXT, "Anna")]
    assert done.export.chat.people == {"Anna": 1}


def test_a_mark_inside_somebodys_words_is_theirs(tmp_path: Path) -> None:
    done = read(tmp_path, f"[31.12.21, 20:03:00] Anna: he said: {LRM}hello\n[31.12.21, 20:05:00] Sam: ho\n")
    assert (done.facts[0], done.export.chat.is_group) == ((TEXT, "Anna", f"he said: {LRM}hello"), False)


def test_lines_in_front_of_the_first_message_are_counted(tmp_path: Path) -> None:
    done = read(tmp_path, f"exported by somebody\n\n12/31/21, 8:03{NNBSP}PM - Anna: hi\n\n\n")
    assert (done.export.lines, done.export.preamble, done.messages[0].lines, done.facts[0][2]) == (5, 2, 3, "hi")
    assert done.messages[0].line == 3


def test_a_message_is_cut_at_whatsapps_own_limit_and_its_lines_are_counted(tmp_path: Path) -> None:
    done = read(tmp_path, "12/31/21, 8:03 PM - Anna: hi\n" + "x" * 999 + "\n" + ("y" * 999 + "\n") * 200)
    assert (len(done.messages), done.messages[0].lines, done.is_accounted_for) == (1, 202, True)
    assert len(done.messages[0].text) <= 65_536 + 100
