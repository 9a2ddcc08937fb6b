"""What Telegram's JSON says: one chat or an account, whose words are whose, and what is refused."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from remember.exports.chats import written

from secondme.core.errors import DataError
from secondme.core.exports.export_file import ExportFile
from secondme.core.exports.importer import TELEGRAM
from secondme.core.exports.message import ExportedChat, ExportedMessage
from secondme.core.exports.telegram import TelegramExport

ME, ANNA = {"from": "Sam", "from_id": "user5"}, {"from": "Anna", "from_id": "user77"}


def message(who: dict[str, str], text: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "type": "message", "date": "2024-03-01T10:00:00", "date_unixtime": "1709283600", **who, "text": text, **more}


def chat(*messages: dict[str, Any], kind: str = "personal_chat", number: int = 77, name: str = "Anna") -> dict[str, Any]:
    return {"name": name, "type": kind, "id": number, "messages": list(messages)}


def account(*chats: dict[str, Any]) -> dict[str, Any]:
    return {"about": "", "personal_information": {"user_id": 5, "first_name": "Sam"}, "chats": {"about": "", "list": list(chats)}}


def opened(folder: Path, content: Any) -> tuple[list[ExportedChat], list[tuple[int, ExportedMessage]]]:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    export = TelegramExport(ExportFile(written(folder, text, "result.json"), TELEGRAM))
    return export.survey(), list(export.messages())


def test_one_chat_says_who_is_who(tmp_path: Path) -> None:
    (only,), messages = opened(tmp_path, chat(message(ANNA, "hi"), message(ME, "ho")))
    assert (only.title, only.owner, only.partner, only.is_of_two, only.is_group) == ("Anna", "user5", "telegram:77", True, False)
    assert only.names == {"user77": "Anna", "user5": "Sam"}
    assert [(number, each.who, each.author, each.words) for number, each in messages] == [
        (0, "user77", "Anna", "hi"),
        (0, "user5", "Sam", "ho"),
    ]
    assert {each.instant.isoformat() for _, each in messages if each.instant} == {"2024-03-01T09:00:00+00:00"}


@pytest.mark.parametrize(
    ("raw", "kind", "words"),
    [
        (message(ME, ["a ", {"type": "bold", "text": "b"}, {"type": "link", "text": " c"}]), "text", "a b c"),
        (message(ME, [{"type": "blockquote", "text": "somebody's\n"}, "mine"]), "text", "mine"),
        (message(ME, "theirs", forwarded_from="Ben"), "text", ""),
        (message(ME, "theirs", forwarded_from=None, forwarded_from_id="user9"), "text", ""),
        (message(ME, "a bot's", via_bot="@gif"), "text", ""),
        (message(ME, "mine", reply_to_message_id=3), "text", "mine"),
        (message(ME, "look", photo="photos/a.jpg"), "media", "look"),
        (message(ME, "", media_type="sticker", sticker_emoji="😀"), "media", ""),
        (message(ME, "", poll={"question": "?"}), "media", ""),
        (message(ME, 5), "text", ""),
        ({"id": 2, "type": "service", "date": "2024-03-01T10:00:00", "action": "phone_call", "actor": "Sam"}, "system", ""),
    ],
)
def test_only_what_somebody_wrote_is_their_word(raw: dict[str, Any], kind: str, words: str, tmp_path: Path) -> None:
    _, ((_, found),) = opened(tmp_path, chat(raw))
    assert (found.kind.value, found.words) == (kind, words)
    assert (found.author is None) == (kind == "system")


def test_files_are_named_without_their_folders_and_not_when_left_out(tmp_path: Path) -> None:
    raw = [
        message(ME, "", photo="photos/a.jpg"),
        message(ME, "", file="(File not included. Change data exporting settings to download.)", file_name="b.pdf"),
        message(ME, "", file="(File not included)"),
    ]
    assert [each.media for _, each in opened(tmp_path, chat(*raw))[1]] == ["a.jpg", "b.pdf", None]


def test_an_account_has_chats_of_every_kind(tmp_path: Path) -> None:
    kinds = ["personal_chat", "private_supergroup", "saved_messages", "bot_chat", "public_channel", "something_new"]
    rows = [chat(message(ANNA, "hi"), message(ME, "ho"), kind=kind, number=n) for n, kind in enumerate(kinds, 77)]
    content = account(*rows) | {"left_chats": {"list": [chat(message(ANNA, "old"), kind="private_group")]}}
    chats, messages = opened(tmp_path, content)
    assert [each.owner for each in chats] == ["user5"] * 7
    assert [each.is_group for each in chats] == [False, True, False, False, False, True, True]
    assert [each.skipped for each in chats] == ["", "", "saved_messages", "bot", "channel", "", ""]
    assert [number for number, _ in messages] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]


def test_a_third_writer_makes_it_no_chat_of_two(tmp_path: Path) -> None:
    third = {"from": "Ben", "from_id": "user9"}
    (only,), _ = opened(tmp_path, chat(message(ANNA, "hi"), message(ME, "ho"), message(third, "hu")))
    assert (only.is_group, only.owner) == (True, None)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "broken_json"),
        ("[1, 2", "broken_json"),
        ("<html>", "broken_json"),
        ('{"a": 1}', "no_messages"),
        ("[]", "no_messages"),
        ('{"messages": 5}', "no_messages"),
        ('{"name": "x", "messages": [' + "[" * 100, "hostile_json"),
        ("[" * 100_000, "hostile_json"),
        ('{"messages": [{"a": ' + "[" * 100, "hostile_json"),
        ('{"name": "' + "x" * 9_000_000, "hostile_json"),
        ('{"messages": [{"text": [' + '"a",' * 200_000, "hostile_json"),
        (b'{"name": "\xff\xfe"', "broken_json"),
    ],
    ids=range(12),
)
def test_what_telegram_never_writes_is_refused(content: str | bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        opened(tmp_path, content)
    assert refused.value.code == code


def test_entries_without_a_time_are_counted_and_left_out(tmp_path: Path) -> None:
    raw = [message(ME, "x") | {"date": bad, "date_unixtime": "?"} for bad in ("", "yesterday", "0001-01-01T00:00:00", None)]
    export = TelegramExport(ExportFile(written(tmp_path, json.dumps(chat(*raw, message(ME, "ok"))), "result.json"), TELEGRAM))
    export.survey()
    assert ([each.words for _, each in export.messages()], export.unreadable) == (["ok"], 4)


def test_a_large_account_needs_no_more_room_than_a_small_one(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        path = written(tmp_path, json.dumps(chat(*[message(ME, f"words {n}") for n in range(number)])), "result.json")
        tracemalloc.start()
        export = TelegramExport(ExportFile(path, TELEGRAM))
        export.survey()
        assert sum(1 for _ in export.messages()) == number
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    opened(tmp_path, chat(message(ME, "loads the library")))
    small, large = peak(1_000), peak(8_000)
    print(f"peak of 1,000 messages {small:,} bytes, of 8,000 {large:,} bytes")
    assert large < small + 100_000


OLD_ME, OLD_ANNA = {"from": "Sam", "from_id": 5}, {"from": "Anna", "from_id": 77}
SHIFT = 1 << 32


@pytest.mark.parametrize(
    ("content", "owner", "people"),
    [
        (chat(message(OLD_ME, "hi"), message(OLD_ANNA, "ho"), number=SHIFT + 77), "user5", {"user5": 1, "user77": 1}),
        (chat(message(OLD_ME, "hi"), number=SHIFT + 77), "user5", {"user5": 1}),
        (chat(message({"from": "Sam", "from_id": SHIFT + 5}, "hi"), message(OLD_ANNA, "ho"), number=SHIFT + 77), "user5", None),
        (chat(message({"from": "Sam"}, "hi"), message({"from": "Anna"}, "ho")), "Sam", {"Sam": 1, "user77": 1}),
        (chat(message({"from": "Sam"}, "hi"), message({"from": None}, "ho")), "Sam", {"Sam": 1, "user77": 1}),
        (chat(message(ME, "hi"), message({"from": "Anna B"}, "ho")), "user5", {"user5": 1, "user77": 1}),
        (chat(message(ME, "hi"), message({"from": "Sam"}, "ho"), message(ANNA, "hu")), "user5", {"user5": 2, "user77": 1}),
        (chat(message({"from": "Sam"}, "hi"), message({"from": "A."}, "ho")), None, {"Sam": 1, "A.": 1}),
    ],
)
def test_before_2020_ids_were_numbers_or_missing(
    content: dict[str, Any], owner: str | None, people: dict[str, int] | None, tmp_path: Path
) -> None:
    (only,), messages = opened(tmp_path, content)
    assert (only.owner, only.partner, only.is_group) == (owner, "telegram:77", False)
    assert people is None or only.people == people
    assert {each.who for _, each in messages} == set(only.people)


def test_an_id_of_today_that_is_larger_than_2_to_the_32_is_itself(tmp_path: Path) -> None:
    number = 2 * SHIFT + 3
    other = {"from": "Anna", "from_id": f"user{number}"}
    (only,), _ = opened(tmp_path, chat(message(ME, "hi"), message(other, "ho"), number=number))
    assert (only.owner, only.partner) == ("user5", f"telegram:{number}")


def test_an_account_of_names_alone_is_its_owners(tmp_path: Path) -> None:
    content = account(chat(message({"from": "Sam Example"}, "hi"), message({"from": "Anna"}, "ho")))
    content["personal_information"]["last_name"] = "Example"
    del content["chats"]["list"][0]["id"]
    (only,), _ = opened(tmp_path, content)
    assert (only.owner, only.is_group, only.people) == ("Sam Example", False, {"Sam Example": 1, "Anna": 1})


def test_words_may_stand_in_their_marked_parts_alone(tmp_path: Path) -> None:
    raw = message(ME, "") | {"text_entities": [{"type": "plain", "text": "hello "}, {"type": "bold", "text": "you"}]}
    del raw["text"]
    assert [each.words for _, each in opened(tmp_path, chat(raw))[1]] == ["hello you"]


def test_what_a_version_of_telegram_wrote_without_quotation_marks_is_read(tmp_path: Path) -> None:
    said = [{"type": "custom_emoji", "text": "x", "document_id": "@1@"}, ' of "document_id": y, {12345678901234567890}']
    text = json.dumps(chat(message(ME, "before"), message(ANNA, said), message(ME, said[1], id=2)), indent=1)
    for value in ("video_files/sticker (1).webm", "(File not included. Change data exporting settings to download.)", "a\\b.webm"):
        _, messages = opened(tmp_path, text.replace('"@1@"', value))
        assert [each.words for _, each in messages] == ["before", f"x{said[1]}".strip(), str(said[1]).strip()]


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**63) - 1, 10**60])
def test_a_number_that_is_too_large_costs_its_message_only(number: int, tmp_path: Path) -> None:
    digits = f"the number {number}"
    raw = chat(message(ME, digits), message(ANNA, "lost", more={"deep": [number]}), message(ME, "last", id=2**63 - 1))
    export = TelegramExport(ExportFile(written(tmp_path, json.dumps(raw), "result.json"), TELEGRAM))
    export.survey()
    assert [each.words for _, each in export.messages()] == [digits, "last"]
    assert export.unreadable == 1


def test_a_chat_whose_number_is_too_large_is_still_of_two(tmp_path: Path) -> None:
    other = {"from": "Anna", "from_id": f"user{2**70}"}
    (only,), _ = opened(tmp_path, chat(message(ME, "hi"), message(other, "ho"), number=2**70))
    assert (only.owner, only.is_group) == ("user5", False)


def test_mending_needs_no_more_room_for_more_and_splits_nothing(tmp_path: Path) -> None:
    said = [f'words {n} "quoted" \\ and , {{}} [] é' for n in range(20_000)]
    raw = chat(*[message(ME, each) for each in said], message(ANNA, "x", id=2**64))
    assert [each.words for _, each in opened(tmp_path, raw)[1]] == said


def test_what_is_broken_is_said_with_how_far_it_was_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="within") as refused:
        opened(tmp_path, json.dumps(chat(message(ME, "hi")))[:-5])
    assert "newer Telegram Desktop" in refused.value.fix
