"""Who wrote, and what? Rows 6, 7 and 19 of the attack table, on payloads as Meta words them."""

import itertools
import json
import random
from typing import Any

import pytest
from channels.whatsapp_cloud.cloud import ANNA, BERT, Cloud, Running
from fakes.graph_api import NUMBER, change, settings_for, text

from secondme.channels.whatsapp_cloud.settings import account_of
from secondme.channels.whatsapp_cloud.webhook import Batch, contact_for, read, recipient_of
from secondme.core.clock import from_ms
from secondme.core.ids import ContactId, is_contact_id
from secondme.core.messages import Attachment, AttachmentKind, ChatKind, InboundMessage

NOW_MS = 1_800_000_000_000
NOW_S = NOW_MS // 1000
OWNER = "4917700000001"
USER = "US.13491208655302741918"
ACCOUNT = account_of(settings_for("https://graph.facebook.com", owner_number=OWNER))


def batch(*changes: dict[str, Any]) -> Any:
    return read({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": list(changes)}]}, ACCOUNT, NOW_MS)


def one(message: dict[str, Any], **value: Any) -> InboundMessage:
    (found,) = batch(change(message, **value)).messages
    assert isinstance(found, InboundMessage)
    return found


def said(kind: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"from": ANNA, "id": "wamid.1", "timestamp": str(NOW_S), "type": kind, kind: content, **fields}


def test_a_message_is_from_who_sent_it_and_named_by_their_profile() -> None:
    message = one(text(ANNA, "hello", "wamid.1", NOW_S - 5), contacts=[{"profile": {"name": "An\u202ena"}, "wa_id": ANNA}])
    assert message == InboundMessage(
        channel_id="whatsapp_cloud",  # type: ignore[arg-type]
        contact_id=f"whatsapp_cloud:{ANNA}",  # type: ignore[arg-type]
        normalized_contact_id=ANNA,
        message_id="wamid.1",  # type: ignore[arg-type]
        text="hello",
        sent_at=from_ms((NOW_S - 5) * 1000),
        display_name="Anna",
        phone_number=ANNA,
    )


def test_a_name_belongs_to_the_number_beside_it_and_never_identifies() -> None:
    found = batch(
        change(
            text(ANNA, "a", "wamid.1", NOW_S),
            text(BERT, "b", "wamid.2", NOW_S),
            contacts=[{"profile": {"name": "Bert"}, "wa_id": BERT}, {"profile": {"name": "Owner"}, "wa_id": OWNER}],
        )
    ).messages
    assert [(message.phone_number, message.display_name, message.kind) for message in found] == [
        (ANNA, "", ChatKind.DIRECT),
        (BERT, "Bert", ChatKind.DIRECT),
    ]


@pytest.mark.parametrize(
    ("raw", "words", "attachments"),
    [
        (said("text", {"body": "hi"}), "hi", ()),
        (
            said("image", {"id": "11", "mime_type": "image/jpeg", "caption": "look"}),
            "look",
            (Attachment(AttachmentKind.PHOTO, "image/jpeg", handle="11"),),
        ),
        (
            said("audio", {"id": "12", "mime_type": "audio/ogg; codecs=opus", "voice": True}),
            "",
            (Attachment(AttachmentKind.VOICE, "audio/ogg", handle="12"),),
        ),
        (
            said("audio", {"id": "13", "mime_type": "audio/mpeg"}),
            "",
            (Attachment(AttachmentKind.AUDIO, "audio/mpeg", handle="13"),),
        ),
        (said("video", {"id": "14", "mime_type": "video/mp4"}), "", (Attachment(AttachmentKind.VIDEO, "video/mp4", handle="14"),)),
        (
            said("document", {"id": "15", "mime_type": "application/pdf", "filename": "menu.pdf"}),
            "",
            (Attachment(AttachmentKind.DOCUMENT, "application/pdf", file_name="menu.pdf", handle="15"),),
        ),
        (
            said("sticker", {"id": "16", "mime_type": "image/webp"}),
            "",
            (Attachment(AttachmentKind.STICKER, "image/webp", handle="16"),),
        ),
        (
            said("location", {"latitude": 1.5, "longitude": 2.5, "name": "Retiro", "address": "Madrid"}),
            "Retiro, Madrid",
            (Attachment(AttachmentKind.LOCATION),),
        ),
        (
            said("contacts", [{"name": {"formatted_name": "Zoe"}, "phones": [{"wa_id": "1"}]}]),
            "",
            (Attachment(AttachmentKind.CONTACT, file_name="Zoe"),),
        ),
        (said("button", {"text": "Yes", "payload": "p"}), "Yes", ()),
        (said("interactive", {"type": "button_reply", "button_reply": {"id": "1", "title": "Fine"}}), "Fine", ()),
        (said("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Third"}}), "Third", ()),
        (said("interactive", {"type": "new", "new": {}}), "", (Attachment(AttachmentKind.OTHER),)),
        (said("unsupported", {}, errors=[{"code": 131051}]), "", (Attachment(AttachmentKind.OTHER),)),
        (said("order", {"catalog_id": "1"}), "", (Attachment(AttachmentKind.OTHER),)),
    ],
    ids=lambda value: value.get("type", "") if isinstance(value, dict) else "",
)
def test_each_kind_of_message_is_words_and_attachments(
    raw: dict[str, Any], words: str, attachments: tuple[Attachment, ...]
) -> None:
    message = one(raw)
    assert (message.text, message.attachments, message.kind) == (words, attachments, ChatKind.DIRECT)


@pytest.mark.parametrize("kind", ["reaction", "system", "revoke", "request_welcome"])
def test_what_says_nothing_is_nothing(kind: str) -> None:
    content = {"type": "user_changed_number", "new_wa_id": BERT, "wa_id": BERT, "message_id": "wamid.0", "emoji": "👍"}
    found = batch(change(said(kind, content)))
    assert (found.messages, found.unreadable) == ([], 0)


def test_an_answer_names_what_it_answers_and_takes_no_sender_from_it() -> None:
    message = one(text(ANNA, "yes", "wamid.2", NOW_S, context={"from": OWNER, "id": "wamid.1", "forwarded": True}))
    assert (message.reply_to, message.contact_id, message.kind) == ("wamid.1", f"whatsapp_cloud:{ANNA}", ChatKind.DIRECT)
    assert message.is_forwarded


def test_what_its_sender_took_back_is_named() -> None:
    message = one(said("revoke", {"original_message_id": "wamid.1"}, id="wamid.2"))
    assert (message.text, message.revokes, message.message_id) == ("", "wamid.1", "wamid.2")


def test_a_correction_names_what_it_corrects() -> None:
    edit = {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": "better"}}}
    message = one(said("edit", edit, id="wamid.2"))
    assert (message.text, message.edit_of, message.message_id) == ("better", "wamid.1", "wamid.2")


def test_the_owner_is_known_by_their_number_alone() -> None:
    kinds = [one(text(sender, "/status", "wamid.1", NOW_S), contacts=[]).kind for sender in (OWNER, ANNA, f"{OWNER}0", OWNER[1:])]
    assert kinds == [ChatKind.OWNER, *[ChatKind.DIRECT] * 3]


def test_what_the_owner_writes_in_the_business_app_is_from_them() -> None:
    message = one(text(NUMBER, "I am here", "wamid.9", NOW_S, to=ANNA), name="smb_message_echoes")
    assert (message.from_me, message.contact_id, message.text) == (True, f"whatsapp_cloud:{ANNA}", "I am here")


def test_the_owners_note_to_themselves_is_no_takeover() -> None:
    assert batch(change(text(NUMBER, "note", "wamid.9", NOW_S, to=OWNER), name="smb_message_echoes")).messages == []


def test_a_message_is_never_from_the_owner_because_it_says_so() -> None:
    raw = text(ANNA, "x", "wamid.1", NOW_S, to=BERT, from_me=True, fromMe=True, is_echo=True, owner=True)
    message = one(raw)
    assert (message.from_me, message.contact_id) == (False, f"whatsapp_cloud:{ANNA}")


def test_two_hundred_messages_of_groups_are_no_conversation() -> None:
    found = batch(
        *[change(text(sender, "hi all", f"wamid.{n}", NOW_S, group_id=f"g{n}")) for n, sender in enumerate([ANNA, OWNER] * 100)]
    )
    assert {message.kind for message in found.messages} == {ChatKind.GROUP}
    assert len(found.messages) == 200


@pytest.mark.parametrize("hidden", [True, False])
def test_who_hides_their_number_is_known_by_their_user_id(*, hidden: bool) -> None:
    raw = text(ANNA, "hi", "wamid.1", NOW_S, from_user_id=USER)
    if hidden:
        del raw["from"]
    message = one(raw, contacts=[{"profile": {"name": "Anna"}, "user_id": USER}])
    if hidden:
        assert (message.contact_id, message.normalized_contact_id, message.phone_number) == (f"whatsapp_cloud:{USER}",) * 2 + ("",)
        assert message.aliases == ()
    else:
        assert (message.contact_id, message.normalized_contact_id) == (f"whatsapp_cloud:{ANNA}", ANNA)
        assert message.aliases == (f"whatsapp_cloud:{USER}",)
    assert message.display_name == "Anna"


def test_five_hundred_spellings_are_one_person_or_nobody() -> None:
    forms = [
        f"{before}{ANNA}{after}"
        for before in ("", "+", "00", " ", "tel:", "wa:")
        for after in ("", ":12", "@c.us", "@lid", " ", "\n", ".0", "٣")
    ]
    rng = random.Random(6)
    forms += ["".join(rng.choice("0123456789+:@.US \u0664") for _ in range(rng.randint(0, 20))) for _ in range(460)]
    found = {form: contact_for(form) for form in forms}
    accepted = {form: contact for form, contact in found.items() if contact is not None}
    print(f"\n{len(forms)} spellings: {len(accepted)} are contacts, {len(set(accepted.values()))} of them different")
    assert len(set(accepted.values())) == len(accepted)
    assert [form for form in accepted if form.endswith(ANNA) or form.startswith(ANNA)] == [ANNA]
    assert all(is_contact_id(contact) for contact in accepted.values())


def test_a_contact_is_addressed_as_the_platform_knows_it() -> None:
    ids = [f"whatsapp_cloud:{ANNA}", f"whatsapp_cloud:{USER}", "telegram:12345", "whatsapp_cloud:x", f"{ANNA}@c.us", ANNA]
    found = [recipient_of(ContactId(each)) for each in ids]
    assert found == [{"to": ANNA}, {"recipient": USER}, None, None, None, None]


@pytest.mark.parametrize(
    ("age_s", "taken"),
    [
        (0, True),
        (-3600, True),
        (-3601, False),
        (7 * 86_400 + 3600, True),
        (7 * 86_400 + 3601, False),
        (-86_400, False),
        (10**9, False),
    ],
)
def test_messages_from_too_long_ago_or_from_the_future_are_refused(age_s: int, *, taken: bool) -> None:
    found = batch(change(text(ANNA, "x", "wamid.1", NOW_S - age_s)))
    assert (len(found.messages), found.out_of_time) == ((1, 0) if taken else (0, 1))


@pytest.mark.parametrize(
    "raw",
    [
        {},
        "text",
        None,
        said("text", "hi"),
        said("text", {"body": 7}),
        said("text", {"body": "x"}, id=7),
        said("text", {"body": "x"}, id=""),
        said("text", {"body": "x"}, timestamp=""),
        said("text", {"body": "x"}, timestamp="-5"),
        said("text", {"body": "x"}, timestamp="1" * 12),
        said("text", {"body": "x"}, timestamp=True),
        said("text", {"body": "x"}, timestamp="١٢٣"),
        said("text", {"body": "x"}, **{"from": None}),
        said("text", {"body": "x"}, **{"from": "someone"}),
        said("text", {"body": "x"}, **{"from": f"{ANNA}@c.us"}),
        said("image", {"id": "../../etc"}),
        said("image", {"id": 5}),
        said("image", {}),
        said("contacts", {}),
        said("edit", {"message": {}}),
        said("edit", {"original_message_id": "w", "message": {"type": "edit", "edit": {}}}),
        {**said("text", {"body": "x"}), "type": ["text"]},
    ],
)
def test_one_unreadable_message_harms_no_other(raw: Any) -> None:
    found = batch(change(text(BERT, "before", "wamid.0", NOW_S), raw, text(BERT, "after", "wamid.9", NOW_S)))
    assert ([message.text for message in found.messages], found.unreadable) == (["before", "after"], 1)


def test_what_concerns_another_number_or_another_subject_is_not_ours() -> None:
    found = batch(
        change(text(ANNA, "x", "wamid.1", NOW_S), number="999"),
        change(text(ANNA, "x", "wamid.1", NOW_S), name="history"),
        {"field": "messages", "value": "x"},
        {"field": "account_update"},
    )
    assert found == Batch()
    assert read({"object": "page", "entry": [{"changes": [change(text(ANNA, "x", "w", NOW_S))]}]}, ACCOUNT, NOW_MS).messages == []


def test_ten_thousand_mutilated_bodies_are_read_without_an_exception() -> None:
    rng = random.Random(7)
    whole = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [change(said("image", {"id": "1"}), text(ANNA, "x", "w", NOW_S))]}],
    }
    junk: list[Any] = [None, 0, -1, True, "", "x", [], {}, [[]], 1e308, "\ud800", {"id": []}]
    paths = list(_paths(whole))
    for _ in range(10_000):
        body = json.loads(json.dumps(whole))
        for path in rng.sample(paths, rng.randint(1, 3)):
            _put(body, path, rng.choice(junk))
        found = read(body, ACCOUNT, NOW_MS)
        assert all(is_contact_id(message.contact_id) for message in found.messages)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    yield from itertools.chain.from_iterable(_paths(inner, (*path, key)) for key, inner in items)


def _put(body: Any, path: tuple[Any, ...], junk: Any) -> None:
    for key in path[:-1]:
        try:
            body = body[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(body, dict) or (isinstance(body, list) and isinstance(path[-1], int) and path[-1] < len(body)):
        body[path[-1]] = junk


async def test_a_batch_is_confirmed_when_all_of_it_is_safe_and_comes_whole_again(cloud: Cloud) -> None:
    change_of_three = change(*[text(ANNA, word, f"wamid.{word}", cloud.now_s) for word in ("one", "two", "three")])
    refused = 0

    def fail_on_two(_: InboundMessage) -> Any:
        nonlocal refused
        if len(cloud.host.messages) == 1 and not refused:
            refused = cloud.host.is_down = True

    cloud.host.outcome = fail_on_two  # type: ignore[assignment]
    assert await cloud.hears(change_of_three) == 503
    cloud.host.is_down = False
    assert await cloud.hears(change_of_three) == 200
    assert [message.text for message in cloud.host.messages] == ["one", "one", "two", "three"]


async def test_nothing_of_a_message_is_in_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-4711"
    async with running() as cloud:
        with caplog.at_level("DEBUG"):
            await cloud.hears(
                change(
                    text(ANNA, canary, "wamid.1", cloud.now_s),
                    said("text", canary),
                    contacts=[{"profile": {"name": canary}, "wa_id": ANNA}],
                )
            )
            await cloud.hears(change(text(ANNA, canary, "wamid.1", 5)))
            cloud.host.is_down = True
            await cloud.hears(change(text(ANNA, canary, "wamid.2", cloud.now_s)))
            cloud.host.receive = None  # type: ignore[assignment, method-assign]  # a bug of ours
            assert await cloud.hears(change(text(ANNA, canary, "wamid.3", cloud.now_s))) == 500
    written = " ".join(str(vars(record)) for record in caplog.records)
    assert "webhook_failed" in written
    assert canary not in written
    assert ANNA not in written
