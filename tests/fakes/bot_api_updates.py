"""Messages as the Bot API writes them: every kind, and the ways in which somebody may try to look like somebody else."""

from typing import Any

Json = dict[str, Any]

SENT_S = 1_790_000_000
PHOTO = [
    {"file_id": "photo-small", "file_unique_id": "a", "width": 90, "height": 67, "file_size": 1_253},
    {"file_id": "photo-large", "file_unique_id": "c", "width": 1280, "height": 960, "file_size": 99_111},
    {"file_id": "photo-middle", "file_unique_id": "b", "width": 320, "height": 240, "file_size": 20_001},
]
_DOCUMENT = {"file_id": "doc", "file_unique_id": "d", "file_name": "menu.pdf", "mime_type": "application/pdf", "file_size": 120_000}
_ANIMATION = {"file_id": "gif", "file_unique_id": "g", "width": 1, "height": 1, "duration": 3, "mime_type": "video/mp4"}
_PLACE = {"latitude": 52.5, "longitude": 13.4}
_STICKER = {"file_unique_id": "s", "type": "regular", "width": 512, "height": 512, "emoji": "👍"}

KINDS: dict[str, tuple[Json, tuple[Json, ...], str]] = {
    "text": ({"text": "hello"}, (), "hello"),
    "photo": ({"photo": PHOTO}, ({"kind": "photo", "mime": "image/jpeg", "sizeBytes": 99_111, "handle": "photo-large"},), ""),
    "photo with words": (
        {"photo": PHOTO[:1], "caption": "look"},
        ({"kind": "photo", "mime": "image/jpeg", "sizeBytes": 1_253, "handle": "photo-small"},),
        "look",
    ),
    "voice": (
        {"voice": {"file_id": "v", "file_unique_id": "v", "duration": 12, "mime_type": "audio/ogg", "file_size": 4_001}},
        ({"kind": "voice message", "mime": "audio/ogg", "sizeBytes": 4_001, "durationS": 12, "handle": "v"},),
        "",
    ),
    "audio": (
        {"audio": {"file_id": "a", "file_unique_id": "a", "duration": 200, "file_name": "song.mp3", "mime_type": "audio/mpeg"}},
        ({"kind": "audio", "mime": "audio/mpeg", "durationS": 200, "fileName": "song.mp3", "handle": "a"},),
        "",
    ),
    "video": (
        {"video": {"file_id": "vid", "file_unique_id": "v", "width": 1, "height": 1, "duration": 7}, "caption": "us"},
        ({"kind": "video", "mime": "video/mp4", "durationS": 7, "handle": "vid"},),
        "us",
    ),
    "round video": (
        {"video_note": {"file_id": "note", "file_unique_id": "n", "length": 240, "duration": 5}},
        ({"kind": "video", "mime": "video/mp4", "durationS": 5, "handle": "note"},),
        "",
    ),
    "animation, which is a document too": (
        {"animation": _ANIMATION, "document": _DOCUMENT},
        ({"kind": "video", "mime": "video/mp4", "durationS": 3, "handle": "gif"},),
        "",
    ),
    "document": (
        {"document": _DOCUMENT},
        ({"kind": "document", "mime": "application/pdf", "sizeBytes": 120_000, "fileName": "menu.pdf", "handle": "doc"},),
        "",
    ),
    "sticker": (
        {"sticker": {**_STICKER, "file_id": "st", "is_animated": False, "is_video": False}},
        ({"kind": "sticker", "mime": "image/webp", "handle": "st"},),
        "",
    ),
    "moving sticker": (
        {"sticker": {**_STICKER, "file_id": "st", "is_animated": True, "is_video": False}},
        ({"kind": "sticker", "mime": "application/x-tgsticker", "handle": "st"},),
        "",
    ),
    "video sticker": (
        {"sticker": {**_STICKER, "file_id": "st", "is_animated": False, "is_video": True}},
        ({"kind": "sticker", "mime": "video/webm", "handle": "st"},),
        "",
    ),
    "location": ({"location": _PLACE}, ({"kind": "location"},), ""),
    "venue, which is a location too": (
        {"location": _PLACE, "venue": {"location": _PLACE, "title": "Bar", "address": "Street 1"}},
        ({"kind": "location", "fileName": "Bar"},),
        "Street 1",
    ),
    "contact card": (
        {"contact": {"phone_number": "+4915112345678", "first_name": "Zoe"}},
        ({"kind": "contact card", "fileName": "Zoe"},),
        "",
    ),
    "poll": (
        {"poll": {"id": "1", "question": "Where?", "options": [{"text": "Bar"}, {"text": "Home"}]}},
        ({"kind": "poll", "fileName": "Where?"},),
        "- Bar\n- Home",
    ),
    "link behind words, after an emoji": (
        {"text": "🎟 the tickets", "entities": [{"type": "text_link", "offset": 3, "length": 11, "url": "https://t.example/7"}]},
        (),
        "🎟 the tickets (https://t.example/7)",
    ),
    "dice": ({"dice": {"emoji": "🎲", "value": 4}}, ({"kind": "message that secondme cannot read"},), ""),
    "story": ({"story": {"id": 1, "chat": {}}}, ({"kind": "message that secondme cannot read"},), ""),
    "paid media with words": (
        {"paid_media": {"star_count": 1, "paid_media": []}, "caption": "buy"},
        ({"kind": "message that secondme cannot read"},),
        "buy",
    ),
    "something that a newer Bot API has": ({"hologram": {"size": 3}}, ({"kind": "message that secondme cannot read"},), ""),
    "something that the Bot API does not show": ({}, ({"kind": "message that secondme cannot read"},), ""),
}
"""Kind -> its fields, the attachments it becomes, and its words."""

SERVICE: list[Json] = [
    {"pinned_message": {"message_id": 3}},
    {"message_auto_delete_timer_changed": {"message_auto_delete_time": 86_400}},
    {"write_access_allowed": {"from_request": True}},
    {"chat_background_set": {"type": {}}},
    {"forum_topic_created": {"name": "t", "icon_color": 1}},
    {"connected_website": "example.org"},
]


def person(user_id: int, first_name: str = "Anna", **more: Any) -> Json:
    return {"id": user_id, "is_bot": False, "first_name": first_name, "language_code": "en", **more}


def private(user_id: int, message_id: int = 7, **fields: Any) -> Json:
    """A message in `user_id`'s private chat with the bot."""
    sender = person(user_id)
    chat = {"id": user_id, "type": "private", "first_name": sender["first_name"]}
    return {"message_id": message_id, "from": sender, "chat": chat, "date": SENT_S, **fields}


def update(update_id: int, message: Json, field: str = "message") -> Json:
    return {"update_id": update_id, field: message}


def elsewhere(victim: int) -> list[Json]:
    """Updates from groups and channels, each with `victim`'s id in all the places where an identity might be looked for."""
    known = person(victim, "Victim", username="victim")
    other = person(5_550_001, "Mallory", username="victim")
    quoted = {**private(victim, 3, text="I am the owner")}
    disguises: list[Json] = [
        {"from": known},
        {"from": other, "reply_to_message": quoted},
        {"from": other, "forward_origin": {"type": "user", "sender_user": known, "date": 1}},
        {"from": other, "forward_from": known, "forward_date": 1},
        {"from": other, "sender_chat": {"id": victim, "type": "private"}},
        {"from": other, "via_bot": {**known, "is_bot": True}},
        {"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}, "sender_chat": {"id": -1001, "type": "supergroup"}},
        {"sender_chat": {"id": -1002, "type": "channel", "title": "Victim"}},
        {"from": known, "contact": {"phone_number": "+4915112345678", "first_name": "V", "user_id": victim}},
        {"from": other, "external_reply": {"origin": {"type": "user", "sender_user": known, "date": 1}}, "quote": {"text": "x"}},
    ]
    chats: list[Json] = [
        {"id": -100_200_300, "type": "group", "title": "g"},
        {"id": -1_001_234_567_890, "type": "supergroup", "title": "s"},
        {"id": -1_001_234_567_891, "type": "supergroup", "is_forum": True},
        {"id": -1_001_234_567_892, "type": "channel", "title": "c"},
        {"id": victim, "type": "group"},
    ]
    fields = ("message", "edited_message", "channel_post", "edited_channel_post")
    return [
        update(9_000 + number, {"message_id": 5, "chat": chat, "date": SENT_S, "text": "hi", **disguise}, field)
        for number, (chat, disguise, field) in enumerate((c, d, f) for c in chats for d in disguises for f in fields)
    ]


def disguised(victim: int) -> list[Json]:
    """Private messages of somebody else, which name `victim` everywhere but in what Telegram itself fills in."""
    mallory = 5_550_001
    known = person(victim, "Victim", username="victim")
    return [
        private(mallory, text=f"my id is {victim}"),
        private(mallory, text="x", reply_to_message=private(victim, 3, text="I am the owner")),
        private(mallory, text="x", forward_origin={"type": "user", "sender_user": known, "date": 1}),
        private(mallory, text="x", forward_from=known, forward_date=1),
        private(mallory, text="x", via_bot={**known, "is_bot": True}),
        private(mallory, contact={"phone_number": "+4915112345678", "first_name": "V", "user_id": victim}),
        {**private(mallory, text="x"), "from": person(mallory, "Victim", username=str(victim))},
        private(
            mallory, text="x", quote={"text": "x"}, external_reply={"origin": {"type": "user", "sender_user": known, "date": 1}}
        ),
    ]
