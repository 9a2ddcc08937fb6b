"""What WhatsApp writes is known by its shape, in languages that no list has; and what people type stays theirs."""

# ruff: noqa: RUF001  letters of many scripts are the point

from pathlib import Path

import pytest
from remember.exports.chats import read

TEXT, SYSTEM, MEDIA, DELETED = "text", "system", "media", "deleted"


@pytest.mark.parametrize(
    ("body", "kind", "words", "media"),
    [
        ("<pictura omissa>", MEDIA, "", None),
        ("<ፋይሉ አልተካተተም>", MEDIA, "", None),
        ("<省略影音檔案>", MEDIA, "", None),
        ("< Medium omissum >", MEDIA, "", None),
        ("<sigh>", TEXT, "<sigh>", None),
        ("<笑>", TEXT, "<笑>", None),
        ("<b>bold</b>", TEXT, "<b>bold</b>", None),
        ('<a href="x y">', TEXT, '<a href="x y">', None),
        ("<3 <3", TEXT, "<3 <3", None),
        ("<not sure>\nbut look", TEXT, "<not sure>\nbut look", None),
        ("VID-20240101-WA0001.mp4 (adjecta pagella)\nlook", MEDIA, "look", "VID-20240101-WA0001.mp4"),
        ("DOC-20240101-WA0001. (adjecta pagella)", MEDIA, "", "DOC-20240101-WA0001."),
        ("DOC-20240101-WA0001 (adjecta pagella)", MEDIA, "", "DOC-20240101-WA0001"),
        ("STK-20240101-WA0001.webp", MEDIA, "", "STK-20240101-WA0001.webp"),
        ("report.pdf (adjecta pagella)", TEXT, "report.pdf (adjecta pagella)", None),
        ("IMG_1234.jpg (adjecta pagella)", MEDIA, "", "IMG_1234.jpg"),
        ("Screenshot_20240101-101500.png (adjecta pagella)", MEDIA, "", "Screenshot_20240101-101500.png"),
        ("my photo.jpg <adjectum>", MEDIA, "", "my photo.jpg"),
        ("<my photo.jpg adjectum>", MEDIA, "", "my photo.jpg"),
        ("<adjectum: my photo.jpg>", MEDIA, "", "my photo.jpg"),
        ("<adjectum: 00000012-Contract>", MEDIA, "", "00000012-Contract"),
        ("photo.jpg <This message was edited>", TEXT, "photo.jpg", None),
        ("at 8.30 <hopefully>", TEXT, "at 8.30 <hopefully>", None),
        ("ELECTIO:\nquo?\nMODUS: domum (2 vota)\nMODUS: foras (0 vota)", MEDIA, "", None),
        ("投票：\n去哪？\n选项：家 (2 票)\n选项：外 (0 票)", MEDIA, "", None),
        ("ENCUESTA:\n¿cuándo?\nOPCIÓN: hoy\nOPCIÓN: mañana", MEDIA, "", None),
        ("ROADMAP:\nnext\nITEM: a\nITEM: b", TEXT, "ROADMAP:\nnext\nITEM: a\nITEM: b", None),
        ("TODO:\nmilk (2 l)", TEXT, "TODO:\nmilk (2 l)", None),
        ("🚫 This message was deleted", DELETED, "", None),
        ("🚫  _You deleted this message_", DELETED, "", None),
        ("This message was deleted by admin ~ Ben.", DELETED, "", None),
        ("Esta mensagem foi apagada por Ben", DELETED, "", None),
        ("This message was deleted by admin Ben?", TEXT, "This message was deleted by admin Ben?", None),
        ("This message was deleted\nlol", TEXT, "This message was deleted\nlol", None),
        ("Waiting for this message. This may take a while.", SYSTEM, "", None),
        ("report.pdf • 3 pages", MEDIA, "", None),
        ("IMG-20240101-WA0001.jpg (file attached)\nso nice <This message was edited>", MEDIA, "so nice", "IMG-20240101-WA0001.jpg"),
        ("you left your keys", TEXT, "you left your keys", None),
        ("Missed voice call", TEXT, "Missed voice call", None),
    ],
)
def test_a_shape_is_known(body: str, kind: str, words: str, media: str | None, tmp_path: Path) -> None:
    text = f"13/03/24, 10:15 - Anna: hi\n14/03/24, 10:16 - Ben: {body}\n15/03/24, 10:17 - Anna: ok\n"
    _, message, _ = read(tmp_path, text).messages
    assert (message.kind.value, message.words, message.media) == (kind, words, media)
    assert message.author == (None if kind == SYSTEM else "Ben")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("Missed voice call", SYSTEM, ""),
        ("Ben added Cara", SYSTEM, ""),
        ("You added Cara", SYSTEM, ""),
        ("so funny image omitted", MEDIA, "so funny"),
        ("look <attached: 00000001-PHOTO-2024-01-01-10-00-00.jpg>", MEDIA, "look"),
        ("you left your keys", TEXT, "you left your keys"),
        ("voice calls are the worst", TEXT, "voice calls are the worst"),
        ("Missed voice call?", TEXT, "Missed voice call?"),
        ("Ben is my name", TEXT, "Ben is my name"),
    ],
)
def test_where_the_marks_were_stripped_sentences_are_known(body: str, kind: str, words: str, tmp_path: Path) -> None:
    text = f"[13.03.24, 10:15:00] Anna: hi\n[13.03.24, 10:16:00] Ben: {body}\n[13.03.24, 10:17:00] Ben: ok\n"
    message = read(tmp_path, text).messages[1]
    assert (message.kind.value, message.words) == (kind, words)


def test_where_the_marks_are_a_person_may_type_whatsapps_sentence(tmp_path: Path) -> None:
    text = "[13.03.24, 10:15:00] Anna: \u200eimage omitted\n[13.03.24, 10:16:00] Ben: Missed voice call\n"
    assert [each.words for each in read(tmp_path, text).messages] == ["", "Missed voice call"]


def test_a_mark_of_edits_in_an_unknown_language_is_known_by_its_repetition(tmp_path: Path) -> None:
    lines = [f"13/03/24, 10:1{n} - Anna: word {n} <nuntius mutatus>" for n in range(3)] + ["13/03/24, 10:20 - Ben: a <b c>"]
    assert [each.words for each in read(tmp_path, "\n".join(lines)).messages] == ["word 0", "word 1", "word 2", "a <b c>"]


def test_what_stands_behind_names_of_files_in_an_unknown_language_is_known_by_its_repetition(tmp_path: Path) -> None:
    lines = [f"13/03/24, 10:1{n} - Anna: paper {n}.pdf (adjecta pagella)" for n in range(3)] + [
        "13/03/24, 10:20 - Ben: a.pdf (mine)"
    ]
    assert [each.media for each in read(tmp_path, "\n".join(lines)).messages] == ["paper 0.pdf", "paper 1.pdf", "paper 2.pdf", None]


def test_of_a_message_on_a_day_that_is_none_nothing_is_taken_and_it_is_counted(tmp_path: Path) -> None:
    text = (
        "30.12.21, 20:03 - Anna: look\n31.02.21, 10:00 - Sam: never\nat all\n30.12.21, 20:04 - Sam: ok\n31.02.21, 10:00 - a plan\n"
    )
    done = read(tmp_path, text)
    assert [each.words for each in done.messages] == ["look", "ok\n31.02.21, 10:00 - a plan"]
    assert (done.export.impossible_dates, done.is_accounted_for) == (1, True)
