"""Every dialect reads back what was written in it: words, media, deletions, notices, half days, and every line."""

from pathlib import Path

import pytest
from remember.exports.chats import at, read
from remember.exports.dialects import HAS_SECONDS, PHONES, Phone

TIMES = [
    at(30, 0, 5),
    at(30, 11, 59),
    at(30, 12, 1),
    at(30, 12, 33),
    at(30, 13, 0),
    at(30, 23, 59),
    at(31, 20, 3),
    at(31, 20, 4, 7),
]


def conversation(phone: Phone) -> str:
    lines = [
        phone.notice(TIMES[0], phone.system),
        phone.text(TIMES[1], "Anna", "good morning: are you up?"),
        phone.text(TIMES[2], "Sam Example", "first line\n\nthird - line"),
        phone.own(TIMES[3], "Anna", phone.left_out),
        phone.own(TIMES[4], "Sam Example", phone.attached.format("menu of the day.pdf")),
        phone.own(TIMES[5], "Anna", phone.deleted),
        phone.text(TIMES[6], "Anna", "😀"),
        phone.text(TIMES[7], "Sam Example", "ok"),
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", PHONES)
def test_a_conversation_reads_back_as_it_was(name: str, tmp_path: Path) -> None:
    phone = PHONES[name]
    done = read(tmp_path, conversation(phone))
    assert done.facts == [
        ("system", None, phone.system),
        ("text", "Anna", "good morning: are you up?"),
        ("text", "Sam Example", "first line\n\nthird - line"),
        ("media", "Anna", phone.left_out),
        ("media", "Sam Example", phone.attached.format("menu of the day.pdf")),
        ("deleted", "Anna", phone.deleted),
        ("text", "Anna", "😀"),
        ("text", "Sam Example", "ok"),
    ]
    assert [each.at for each in done.messages] == [each if name in HAS_SECONDS else each.replace(second=0) for each in TIMES]
    assert [each.words for each in done.messages if each.words] == [text for kind, _, text in done.facts if kind == "text"]
    assert (done.is_accounted_for, done.export.lines, done.export.preamble) == (True, 10, 0)
    assert done.export.chat.people == {"Anna": 4, "Sam Example": 3}
    assert done.export.chat.is_group is False


@pytest.mark.parametrize("name", PHONES)
def test_the_file_of_an_attachment_is_named(name: str, tmp_path: Path) -> None:
    phone = PHONES[name]
    text = phone.text(at(30), "Anna", "look") + "\n" + phone.own(at(31), "Anna", phone.attached.format("IMG-20200101-WA0001.jpg"))
    assert [each.media for each in read(tmp_path, text).messages] == [None, "IMG-20200101-WA0001.jpg"]


@pytest.mark.parametrize("name", PHONES)
def test_windows_line_ends_and_a_byte_order_mark_change_nothing(name: str, tmp_path: Path) -> None:
    text = conversation(PHONES[name])
    plain = read(tmp_path, text)
    for changed in (text.replace("\n", "\r\n").encode("utf-8-sig"), text.encode("utf-16"), text.rstrip("\n")):
        assert read(tmp_path, changed).facts == plain.facts
