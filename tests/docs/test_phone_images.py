"""The picture of the phone page in the documentation, taken of the real one. `UPDATE_DOCS=1 pytest tests/docs -m heavy` takes it anew.

A browser draws no two pictures alike on two machines, so only its size is compared, and that what it shows was there.
"""

import asyncio
import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from fakes.browser import BINARY
from fakes.homes import with_store
from fakes.kept import DOCS, IS_UPDATE
from fakes.phone import House, Phone, house, phone
from PIL import Image
from redis import Redis

from secondme.core.clock import to_ms
from secondme.core.store import keys

GAP = 16
PICTURE = DOCS / "images" / "phone.png"
ANNA, BEN, MIRA = "local:anna", "local:ben", "local:mira"


@pytest.mark.heavy
def test_the_picture_of_the_phone_page_shows_what_the_page_shows() -> None:
    if BINARY is None:
        said = "needs Chromium: apt-get install chromium"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    with house() as there:
        with_store(there.home, furnish)
        shots = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in asyncio.run(_shots(there))]
    width, height = shots[0].size
    whole = Image.new("RGB", (len(shots) * (width + GAP) + GAP, height + 2 * GAP), "#8a8f98")
    for place, shot in enumerate(shots):
        whole.paste(shot, (GAP + place * (width + GAP), GAP))
    if IS_UPDATE:
        whole.quantize(128).save(PICTURE, optimize=True)
    with Image.open(PICTURE) as kept:
        assert kept.size == whole.size


async def _shots(there: House) -> list[bytes]:
    async with phone(there) as page:
        night = [await _shot(page, "waiting", "Rosa Lindqvist"), await _shot(page, "drafts", "the chairs by tonight")]
        await page.browser.prefer("light")
        await page.tab("chats")
        await page.tap("Anna Keller")
        await page.shows("the train set")
        thread = await page.browser.screenshot()
        return [*night, thread, await _shot(page, "switches", "Local terminal")]


async def _shot(page: Phone, tab: str, words: str) -> bytes:
    await page.tab(tab)
    await page.shows(words)
    return await page.browser.screenshot()


def furnish(client: Redis) -> None:
    """People who wait, who talk, and what the clone would say to them, as of now."""
    now = datetime.now(UTC)

    def ms(minutes: float) -> int:
        return to_ms(now + timedelta(minutes=minutes))

    for contact, name, code, asked, ends in (
        ("local:rosa", "Rosa Lindqvist", "731062", -2, 27.7),
        ("local:jun", "Jun Park", "204418", -21, 8.3),
    ):
        record = {"contactId": contact, "phoneNumber": contact, "displayName": name, "channelId": "local", "code": code, "requestedAt": ms(asked), "status": "pending", "expiresAt": ms(ends)}  # fmt: skip
        client.set(keys.pending(contact), json.dumps(record))
        client.set(keys.code(code), contact)
        client.zadd(keys.INDEX_PENDING, {contact: ms(ends)})
    for contact, name, tier in (
        (ANNA, "Anna Keller", "trusted"),
        (BEN, "Ben Ortiz", "restricted"),
        (MIRA, "Mira Sato", "standard"),
    ):
        record = {"contactId": contact, "phoneNumber": contact, "displayName": name, "channelId": "local", "approvedAt": ms(-90_000), "approvedBy": "cli", "tier": tier}  # fmt: skip
        client.set(keys.approved(contact), json.dumps(record))
        client.zadd(keys.INDEX_APPROVED, {contact: ms(-90_000)})
    for contact, kind, text, at, ident in (
        (ANNA, "incoming", "so, lunch tomorrow at two?", -11, "a1"),
        (ANNA, "outgoing", "two is good! no rush with the parking", -8, "a2"),
        (ANNA, "fromMe", "And bring the kids.", -6, "a3"),
        (ANNA, "incoming", "they ask whether you still have the train set", -3, "a4"),
        (ANNA, "outgoing", "it is all still there, in the big box", -2, "a5"),
        (BEN, "incoming", "can you send me the invoice for the chairs by tonight?", -12, "b1"),
        (MIRA, "incoming", "wait… am I talking to a bot?", -38, "m1"),
    ):
        turn = {
            "id": ident,
            "role": "user" if kind == "incoming" else "assistant",
            "content": text,
            "timestamp": ms(at),
            "type": kind,
        }
        client.zadd(keys.history(contact), {json.dumps(turn): ms(at)})
    for contact, reason, text, at, answers, fault in (
        (MIRA, "disclosure", "haha no, only tired", -38, ["m1"], "denial"),
        (BEN, "tier", "sure, I'll dig it out this evening.", -12, ["b1"], ""),
    ):
        row = {"rowId": f"{answers[0]}-1", "replyId": f"{answers[0]}d1c0".replace("m", "e"), "contactId": contact, "channelId": "local", "kind": "reply", "text": text, "composedAt": ms(at), "typingFrom": ms(at), "dueAt": ms(at), "fault": fault, "answers": answers}  # fmt: skip
        client.rpush(keys.held(contact), json.dumps({"row": row, "reason": reason, "heldAt": ms(at)}))
        client.zadd(keys.HELD_INDEX, {contact: ms(at)})
