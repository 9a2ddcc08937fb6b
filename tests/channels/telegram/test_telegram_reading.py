"""Who wrote what, of every kind of message, of every disguise, and of any JSON at all."""

from typing import Any

import pytest
from fakes.bot_api_updates import KINDS, PHOTO, SENT_S, SERVICE, disguised, elsewhere, person, private, update
from fakes.size import sized
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.channels.telegram.updates import Skipped, native_id, understand
from secondme.core.clock import from_ms
from secondme.core.ids import is_contact_id
from secondme.core.messages import AttachmentKind, ChatKind, InboundMessage

ANNA, OWNER = 4_100_001, 4_200_000
OWN_CARD = {"phone_number": "+49 151 1234-5678", "first_name": "Anna", "user_id": ANNA}


def read(message: dict[str, Any], field: str = "message") -> InboundMessage:
    found = understand(update(1, message, field), OWNER)
    assert isinstance(found, InboundMessage)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_message_arrives_with_its_words_and_what_came_with_it(kind: str) -> None:
    fields, attachments, words = KINDS[kind]
    message = read(private(ANNA, 7, **fields))
    assert tuple(attachment.to_dict() for attachment in message.attachments) == attachments
    assert (message.text, message.contact_id, message.message_id) == (words, "telegram:4100001", "7")
    assert message.kind is ChatKind.DIRECT
    assert message.sent_at == from_ms(SENT_S * 1000)


@pytest.mark.parametrize("fields", SERVICE, ids=lambda fields: next(iter(fields)))
def test_what_nobody_wrote_is_no_message(fields: dict[str, Any]) -> None:
    assert understand(update(1, private(ANNA, **fields)), OWNER) is Skipped.NOTHING


@pytest.mark.parametrize(
    "field", ["inline_query", "callback_query", "my_chat_member", "message_reaction", "business_message", "edited_business_message"]
)
def test_an_update_that_is_no_message_is_passed_over(field: str) -> None:
    assert understand(update(1, private(ANNA, text="x"), field), OWNER) is Skipped.NOTHING


@pytest.mark.parametrize(
    ("who", "text", "words"),
    [
        (ANNA, "/start 314159", "314159"),
        (OWNER, "/start 314159", "/start 314159"),
        (ANNA, "/start 31415", "/start 31415"),
        (ANNA, "/start 314159 please", "/start 314159 please"),
        (ANNA, "/start ٣١٤١٥٩", "/start ٣١٤١٥٩"),
        (ANNA, "/start", "/start"),
    ],
)
def test_the_link_of_an_invite_is_its_code(who: int, text: str, words: str) -> None:
    assert read(private(who, text=text)).text == words


def test_a_name_is_shown_and_bounded_and_the_username_is_never_an_identity() -> None:
    sender = person(ANNA, "A" * 5_000 + "\x1b[31m", last_name="\u202eB", username="owner")
    message = read({**private(ANNA, text="x"), "from": sender})
    assert len(message.display_name) <= 64
    assert "owner" not in repr(message)
    assert read({**private(ANNA, text="x"), "from": person(ANNA, "Ann\x1b", last_name="B\u202e")}).display_name == "Ann B"


def test_an_edit_names_what_it_corrects_and_has_an_id_of_its_own() -> None:
    edited = read(private(ANNA, 7, text="new", edit_date=SENT_S + 60), "edited_message")
    assert (edited.edit_of, edited.message_id, edited.text) == ("7", f"7-edit-{SENT_S + 60}", "new")
    assert read(private(ANNA, 7, text="newer", edit_date=SENT_S + 61), "edited_message").message_id != edited.message_id


def test_an_answer_names_the_message_of_the_same_chat_that_it_quotes() -> None:
    answer = read(private(ANNA, 7, text="yes", reply_to_message=private(ANNA, 3, text="no?")))
    assert (answer.reply_to, answer.quoted) == ("3", "no?")
    elsewhere = read(private(ANNA, 7, text="yes", reply_to_message=private(OWNER, 3, text="no?"), quote={"text": "no"}))
    assert (elsewhere.reply_to, elsewhere.quoted) == ("", "")


def test_a_message_says_where_it_stands_and_whose_words_it_has() -> None:
    said = read(private(ANNA, text="x", media_group_id="g1", message_thread_id=55, is_topic_message=True, forward_date=SENT_S))
    assert (said.album, said.thread, said.is_forwarded) == ("g1", "55", True)
    plain = read(private(ANNA, text="x", media_group_id=["g1"], message_thread_id=55))
    assert (plain.album, plain.thread, plain.is_forwarded) == ("", "", False)


def test_only_the_owners_own_private_chat_is_the_owners() -> None:
    assert read(private(OWNER, text="status")).kind is ChatKind.OWNER
    assert read(private(ANNA, text="status")).kind is ChatKind.DIRECT
    without_owner = understand(update(1, private(OWNER, text="status")), None)
    assert isinstance(without_owner, InboundMessage)
    assert without_owner.kind is ChatKind.DIRECT


def test_the_senders_own_contact_card_proves_their_number() -> None:
    message = read(private(ANNA, contact=OWN_CARD))
    assert (message.contact_id, message.normalized_contact_id, message.phone_number) == (
        "telegram:4100001",
        "4915112345678",
        "4915112345678",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"contact": {**OWN_CARD, "user_id": OWNER}},
        {"contact": {**OWN_CARD, "user_id": str(ANNA)}},
        {"contact": {key: value for key, value in OWN_CARD.items() if key != "user_id"}},
        {"contact": OWN_CARD, "forward_origin": {"type": "hidden_user", "date": 1}},
        {"contact": OWN_CARD, "via_bot": {"id": 9, "is_bot": True}},
        {"contact": {**OWN_CARD, "phone_number": "0151123456"}},
        {"contact": {**OWN_CARD, "phone_number": "٤٩١٥١١٢٣٤٥"}},
        {"contact": {**OWN_CARD, "phone_number": "1" * 16}},
        {"contact": {**OWN_CARD, "phone_number": "4915112345678@c.us"}},
        {"text": "x", "reply_to_message": private(ANNA, contact=OWN_CARD)},
    ],
)
def test_nothing_else_proves_a_number(fields: dict[str, Any]) -> None:
    message = read(private(ANNA, **fields))
    assert (message.normalized_contact_id, message.phone_number) == ("telegram:4100001", "")


def test_of_200_messages_of_groups_and_channels_none_is_anybodys() -> None:
    updates = elsewhere(OWNER)
    assert len(updates) == 200
    found = [message for message in (understand(made, OWNER) for made in updates) if isinstance(message, InboundMessage)]
    assert len(found) == 160  # the rest says it is a group and has a person's id
    assert {message.kind for message in found} == {ChatKind.GROUP, ChatKind.BROADCAST}
    assert not any(str(OWNER) in message.contact_id for message in found)
    assert {(message.text, message.display_name, message.attachments, message.phone_number) for message in found} == {
        ("", "", (), "")
    }
    assert all(is_contact_id(message.contact_id) for message in found)


def test_no_disguise_makes_a_stranger_the_owner() -> None:
    for message in disguised(OWNER):
        found = read(message)
        assert (found.contact_id, found.normalized_contact_id, found.kind) == (
            "telegram:5550001",
            "telegram:5550001",
            ChatKind.DIRECT,
        )


@pytest.mark.parametrize(
    "changed",
    [
        {"chat": {"id": OWNER, "type": "private"}},
        {"from": person(OWNER)},
        {"from": {**person(ANNA), "is_bot": True}},
        {"from": {"id": ANNA, "first_name": "Anna"}},
        {"from": person(ANNA), "sender_chat": {"id": ANNA, "type": "private"}},
        {"business_connection_id": "b"},
        {"sender_business_bot": {"id": 1, "is_bot": True}},
        {"from": {**person(ANNA), "id": str(ANNA)}},
        {"from": {**person(ANNA), "id": True}, "chat": {"id": True, "type": "private"}},
        {"from": {**person(ANNA), "id": float(ANNA)}},
        {"from": person(2**60), "chat": {"id": 2**60, "type": "private"}},
        {"message_id": True},
        {"date": True},
        {"message_id": 0},
        {"date": 0},
        {"date": 10**15},
        {"chat": None},
        {"from": None},
    ],
)
def test_a_private_message_whose_sender_is_not_certain_is_nobodys(changed: dict[str, Any]) -> None:
    assert understand(update(1, {**private(ANNA, text="x"), **changed}), OWNER) is Skipped.UNREADABLE


def test_what_lies_too_deep_is_not_read() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert understand(update(1, private(ANNA, text="x", hologram=deep)), OWNER) is Skipped.UNREADABLE


def test_half_a_character_does_not_pass() -> None:
    read(private(ANNA, text="a\ud800b")).text.encode()
    assert read(private(ANNA, text="a\ud800b")).text == "a?b"


@pytest.mark.parametrize(
    "value",
    [
        "telegram:",
        "telegram:0",
        "telegram:-5",
        "telegram:٤",
        "telegram:1 ",
        "4915@c.us",
        "telegram:1x",
        "1",
        "telegram:" + "9" * 30,
    ],
)
def test_what_is_not_a_contact_of_telegrams_has_no_user_id(value: str) -> None:
    assert native_id(value) is None
    assert native_id("telegram:4100001") == ANNA


_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([OWNER, ANNA, -100, SENT_S, "private", "group"])
    | st.floats()
    | st.text(max_size=8)
)
_json = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=6
)
_ids = st.sampled_from([OWNER, ANNA]) | _json
_senders = (
    st.fixed_dictionaries({}, optional={"id": _ids, "is_bot": st.just(value=False) | _json, "first_name": _json, "username": _json})
    | _json
)
_chats = st.fixed_dictionaries({}, optional={"id": _ids, "type": st.sampled_from(["private", "group", "channel"]) | _json}) | _json
_fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
    [
        "text",
        "caption",
        "photo",
        "voice",
        "sticker",
        "contact",
        "location",
        "forward_origin",
        "sender_chat",
        "reply_to_message",
        "edit_date",
    ],
    _json,
)
_messages = (
    st.fixed_dictionaries(
        {"from": _senders, "chat": _chats, "message_id": st.just(7) | _json, "date": st.just(SENT_S) | _json},
        optional={**_fields, "photo": st.just(PHOTO) | st.lists(_json, max_size=2)},
    )
    | _json
)
_updates = (
    st.fixed_dictionaries(
        {"update_id": _json}, optional={"message": _messages, "edited_message": _messages, "channel_post": _messages}
    )
    | _json
)


@settings(max_examples=sized(400, 120), deadline=None)
@given(_updates)
def test_no_json_makes_the_reader_raise_and_none_but_the_owners_is_the_owners(made: Any) -> None:
    found = understand(made, OWNER)
    if isinstance(found, InboundMessage):
        found.text.encode()
        assert is_contact_id(found.contact_id)
        if found.kind in {ChatKind.OWNER, ChatKind.DIRECT}:
            message = made.get("message", made.get("edited_message", made.get("channel_post")))
            assert message["chat"]["type"] == "private"
            assert message["from"]["id"] == message["chat"]["id"] == native_id(found.contact_id)
            assert (message["from"]["id"] == OWNER) == (found.kind is ChatKind.OWNER)
    else:
        assert isinstance(found, Skipped)


def test_a_message_without_anything_known_says_that_there_was_one() -> None:
    assert [attachment.kind for attachment in read(private(ANNA)).attachments] == [AttachmentKind.OTHER]


@pytest.mark.parametrize("field", ["channel_post", "edited_channel_post"])
def test_a_channels_post_is_nobodys_message_whatever_chat_it_claims(field: str) -> None:
    assert isinstance(understand(update(1, private(42, 7, text="kill"), "message"), 42), InboundMessage)
    assert understand(update(1, private(42, 7, text="kill"), field), 42) is Skipped.UNREADABLE
