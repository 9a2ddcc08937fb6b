"""What a stranger causes, and what they are told."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import Ear, everything
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model.corridor import open_corridor

from secondme.core.admit.pairing import NOTICE, WELCOME
from secondme.core.enums import Tier
from secondme.core.errors import BusyError
from secondme.core.ids import ChannelId, ContactId
from secondme.core.messages import Admission, Challenge, ChatKind, InboundMessage

TownWith = Callable[..., Town]
ANNA = ContactId("local:anna")


async def _request(town: Town, who: str = "anna") -> dict[str, Any]:
    raw = await town.store.client.get(f"PAIRING:pending:local:{who}")
    assert raw is not None
    return json.loads(raw)  # type: ignore[no-any-return]


async def test_the_prompt_names_the_persona_the_code_and_the_minutes_and_says_that_it_is_an_assistant(town_with: TownWith) -> None:
    town = town_with(pairing__code_expiration_minutes=7.5)
    await town.writes("anna", "hi")
    await town.deliver()
    code = (await _request(town))["code"]
    (text,) = town.channel.texts(ANNA)
    greeting, ending = text.split("\n\n")
    assert greeting == f"Hi! I'm Sam's AI assistant. To chat with me, please share this code with Sam for approval: {code}"
    assert ending == "This code expires in 7.5 minutes. Or reply with the code if you already have it."


async def test_a_personas_name_cannot_smuggle_escapes_into_a_prompt(town_with: TownWith) -> None:
    town = town_with(persona__name="S\x1b[31mam\u202e {code} {0}")
    await town.writes("anna", "hi")
    await town.deliver()
    (text,) = town.channel.texts(ANNA)
    assert text.startswith("Hi! I'm S[31mam {code} {0}'s AI assistant.")


async def test_silent_mode_makes_a_request_and_says_nothing(town_with: TownWith, ear: Ear) -> None:
    town = town_with(pairing__prompt="silent")
    assert await town.writes("anna", "hi") is Challenge.REQUESTED
    await town.deliver()
    assert town.channel.raw == []
    assert [event["type"] for event in await ear.heard()] == ["pairing_request"]
    assert await town.raw_keys("PAIRING:prompts") == []


@pytest.mark.parametrize(("minutes", "outcome"), [(9.9, Challenge.PROMPTED), (10.1, Challenge.TOO_OLD), (-5, Challenge.PROMPTED)])
async def test_nobody_is_prompted_for_a_message_older_than_ten_minutes(town: Town, minutes: float, outcome: Challenge) -> None:
    message = await town.age("anna", timedelta(minutes=minutes))
    assert await town.gateway.receive(message) is outcome
    assert (await town.pairing.stats()).pending == (outcome is Challenge.PROMPTED)


async def test_the_thirty_first_stranger_of_an_hour_is_requested_without_a_prompt_until_the_hour_is_over(town: Town) -> None:
    outcomes = Counter([await town.writes(f"s{n}", "hi") for n in range(35)])
    assert outcomes == {Challenge.PROMPTED: 30, Challenge.REQUESTED: 5}
    prompts = await town.store.client.zrange("PAIRING:prompts", 0, -1)
    await town.store.client.zadd("PAIRING:prompts", dict.fromkeys(prompts, 1))  # an hour ago
    assert await town.writes("later", "hi") is Challenge.PROMPTED


async def test_the_fifty_first_stranger_of_a_channel_is_ignored_and_that_is_said_once_a_minute(town: Town, ear: Ear) -> None:
    outcomes = Counter([await town.writes(f"s{n}", "hi") for n in range(55)])
    assert outcomes[Challenge.CLOSED] == 5
    heard = await ear.heard()
    full = [event for event in heard if event["channel"] == "events:security"]
    assert [(event["event"], event["severity"]) for event in full] == [("pairing_full", "warn")]
    await town.store.client.pexpireat("PAIRING:full", 1)
    await town.writes("another", "hi")
    assert len([event for event in await ear.heard() if event.get("event") == "pairing_full"]) == 1


def _from(town: Town, channel: str, number: int) -> InboundMessage:
    contact = ContactId(f"49151{number:08d}@c.us" if channel == "whatsapp" else f"{channel}:{number}")
    return town.message("x", "hi", channel_id=ChannelId(channel), contact_id=contact, normalized_contact_id=contact)


@given(st.permutations(["local", "telegram", "whatsapp", "whatsapp_cloud"]), st.integers(8, 60))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_a_flood_on_one_channel_keeps_nobody_of_another_out(
    redis_url: str, tmp_path_factory: Any, order: list[str], most: int
) -> None:
    """Each channel in turn is flooded; whatever came before, the next one's first stranger is asked to wait for the owner."""
    with open_corridor(redis_url, tmp_path_factory.mktemp("home"), pairing__max_pending_requests=most) as corridor:
        corridor.do(corridor.empty())
        left = most
        for channel in order:
            outcomes = [corridor.do(corridor.town.gateway.receive(_from(corridor.town, channel, n))) for n in range(1, most + 2)]
            taken = sum(outcome in {Challenge.PROMPTED, Challenge.REQUESTED} for outcome in outcomes)
            assert taken == (left + 1) // 2
            left -= taken
        assert corridor.do(corridor.town.pairing.stats()).pending <= most


async def test_the_last_place_is_anybodys(town_with: TownWith) -> None:
    town = town_with(pairing__max_pending_requests=1)
    assert await town.writes("anna", "hi") is Challenge.PROMPTED
    assert await town.writes("ben", "hi") is Challenge.CLOSED


async def test_a_closed_pairing_ignores_strangers_and_answers_who_was_let_in(town_with: TownWith) -> None:
    await town_with().let_in("ben")
    town = town_with(pairing__enabled=False)
    before = await everything(town.store.client)
    assert [await town.writes("anna", text) for text in ("hi", "123456")] == [Challenge.CLOSED] * 2
    assert await everything(town.store.client) == before
    assert await town.writes("ben", "hi") is Admission.QUEUED


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_while_everybody_is_stopped_no_request_is_made_and_no_invite_is_used(town: Town, how: str) -> None:
    invite = await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))
    await (town.control.kill() if how == "kill" else town.control.pause(None, timedelta(hours=1)))
    before = await everything(town.store.client)
    assert [await town.writes("anna", text) for text in ("hi", invite.code, "000000")] == [Challenge.CLOSED] * 3
    assert await everything(town.store.client) == before


async def test_who_has_a_history_is_let_in_as_standard_when_the_owner_chose_that(town_with: TownWith, ear: Ear) -> None:
    town = town_with(pairing__auto_approve_existing=True)
    await town.store.client.zadd("HISTORY:local:anna", {json.dumps({"id": "old"}): 1})
    assert await town.writes("anna", "hi") is Admission.QUEUED
    assert await town.writes("ben", "hi") is Challenge.PROMPTED
    approved = await town.pairing.approved(ANNA)
    assert approved is not None
    assert (approved.tier, approved.approved_by) == (Tier.STANDARD, "existing-history")
    assert [event["type"] for event in await ear.heard()] == ["pairing_approved", "pairing_request"]


async def test_a_history_alone_opens_no_door_by_default(town: Town) -> None:
    await town.store.client.zadd("HISTORY:local:anna", {json.dumps({"id": "old"}): 1})
    assert await town.writes("anna", "hi") is Challenge.PROMPTED


@pytest.mark.parametrize("tier", ["standard", "restricted", "trusted"])
async def test_a_contact_that_verifies_itself_has_the_configured_tier(town_with: TownWith, ear: Ear, tier: str) -> None:
    town = town_with(pairing__mode="self_verify", pairing__self_verify_tier=tier)
    await town.writes("anna", "hi")
    await town.deliver()
    assert await town.writes("anna", f"\t{(await _request(town))['code']} ") is Challenge.WELCOMED
    approved = await town.pairing.approved(ANNA)
    assert approved is not None
    assert (approved.tier, approved.approved_by) == (tier, "self-verified")
    await town.deliver()
    assert town.channel.texts(ANNA)[1:] == [WELCOME]
    assert [event["type"] for event in await ear.heard()] == ["pairing_request", "pairing_verified"]
    assert await town.raw_keys("PAIRING:codes:*") == await town.raw_keys("INBOX:*") == []


async def test_a_contact_that_echoes_its_code_is_told_once_that_the_owner_decides(town: Town) -> None:
    await town.writes("anna", "hi")
    await town.deliver()
    code = (await _request(town))["code"]
    assert [await town.writes("anna", code) for _ in range(3)] == [Challenge.NEEDS_OWNER] * 3
    await town.deliver()
    assert town.channel.texts(ANNA)[1:] == [NOTICE.format(name="Sam")]


async def test_an_invite_opens_the_door_once_for_one_with_its_tier_and_name(town: Town, ear: Ear) -> None:
    invite = await town.owner.invite("Cousin", Tier.TRUSTED, timedelta(hours=1))
    outcomes = await asyncio.gather(*(town.writes(f"racer{n}", invite.code) for n in range(10)))
    assert Counter(outcomes) == {Challenge.WELCOMED: 1, Challenge.WRONG_CODE: 9}
    (contact,) = (await town.pairing.listing()).approved
    assert (contact.tier, contact.display_name, contact.approved_by) == (Tier.TRUSTED, "Cousin", "invite")
    assert [event["type"] for event in await ear.heard() if event["channel"] == "events:pairing"] == ["pairing_verified"]
    assert await town.writes("late", invite.code) is Challenge.WRONG_CODE


async def test_an_expired_invite_is_a_wrong_code_also_before_the_server_removed_it(town: Town) -> None:
    invite = await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))
    overdue = json.dumps({**json.loads(invite.encode()), "expiresAt": 1000})
    await town.store.client.set(f"PAIRING:invites:{invite.code}", overdue)
    assert await town.writes("anna", invite.code) is Challenge.WRONG_CODE
    await town.store.client.delete(f"PAIRING:invites:{invite.code}")
    assert await town.writes("anna", invite.code) is Challenge.WRONG_CODE


async def test_an_invite_works_while_the_list_is_full_and_its_sender_is_pending(town_with: TownWith) -> None:
    town = town_with(pairing__max_pending_requests=1)
    await town.writes("anna", "hi")
    for who in ("anna", "ben"):
        invite = await town.owner.invite("", Tier.STANDARD, timedelta(hours=1))
        assert await town.writes(who, invite.code) is Challenge.WELCOMED
    assert await town.raw_keys("PAIRING:pending:*") == await town.raw_keys("PAIRING:codes:*") == []


async def test_the_fifth_wrong_code_denies_for_a_day_and_is_met_with_the_same_silence(town: Town, ear: Ear) -> None:
    await town.writes("anna", "hi")
    await town.deliver()
    code = (await _request(town))["code"]
    wrong = "000000" if code != "000000" else "000001"
    outcomes = [await town.writes("anna", wrong) for _ in range(6)]
    assert outcomes == [*[Challenge.WRONG_CODE] * 4, Challenge.DENIED, Admission.DENIED]
    assert await town.deliver() == []
    denied = await town.pairing.denied(ANNA)
    assert denied is not None
    assert denied.expires_at - denied.denied_at == timedelta(hours=24)
    assert [event["type"] for event in await ear.heard() if event["channel"] == "events:pairing"] == [
        "pairing_request",
        "pairing_denied",
    ]
    assert await town.writes("anna", code) is Admission.DENIED
    assert await town.raw_keys("PAIRING:codes:*") == []


async def test_wrong_codes_of_a_stranger_without_a_request_count_too(town: Town) -> None:
    outcomes = [await town.writes("anna", f"00000{n}") for n in range(5)]
    assert outcomes == [*[Challenge.WRONG_CODE] * 4, Challenge.DENIED]


async def test_no_event_shows_a_code(town_with: TownWith, ear: Ear) -> None:
    town = town_with(pairing__mode="self_verify")
    codes = []
    for who in ("anna", "ben", "cleo"):
        await town.writes(who, "hi")
        codes.append((await _request(town, who))["code"])
    await town.writes("anna", codes[0])
    await town.owner.approve(codes[1])
    await town.owner.deny(codes[2])
    heard = await ear.heard()
    assert [event["code"] for event in heard if "code" in event] == ["******"] * 3
    words = [value for event in heard for value in event.values() if isinstance(value, str)]
    assert not [word for word in words for code in codes if code in word]


async def _codes(town: Town, command: str, first: int, last: int) -> None:
    for start in range(first, last + 1, 100_000):
        script = f"for n = {start}, {min(start + 99_999, last)} do redis.call({command}) end"
        await town.store.client.execute_command("EVAL", script, 0)


@pytest.mark.slow  # 6 s: nearly all codes are given out
async def test_a_live_code_is_never_given_twice_and_leading_zeros_are_codes_too(town: Town) -> None:
    await _codes(town, "'SET', string.format('PAIRING:codes:%06d', n), 'local:other'", 0, 999_999)
    with pytest.raises(BusyError, match="Too many live codes"):
        await town.writes("anna", "hi")
    assert (await town.pairing.stats()).pending == 0
    await _codes(town, "'DEL', string.format('PAIRING:codes:%06d', n)", 0, 199_999)
    found = []
    for n in range(40):
        try:
            await town.writes(f"s{n}", "hi")
            found.append((await _request(town, f"s{n}"))["code"])
        except BusyError:  # 20 tries of one in five each: one knock in ninety finds none
            continue
    assert len(found) > 30
    assert [code for code in found if len(code) != 6 or code[0] not in "01"] == []
    assert [code for code in found if code[0] == "0"] != []
    assert len(set(found)) == len(found)
    request = await town.pairing.find(found[0])
    assert request is not None
    assert request.code == found[0]


@pytest.mark.parametrize("kind", [ChatKind.GROUP, ChatKind.BROADCAST, ChatKind.STATUS])
async def test_groups_broadcasts_and_statuses_are_ignored_whoever_writes(town: Town, kind: ChatKind) -> None:
    await town.let_in("ben")
    before = await everything(town.store.client)
    said = [await town.writes(who, "hi", kind=kind, from_me=mine) for who in ("anna", "ben") for mine in (False, True)]
    assert said == [Admission.IGNORED] * 4
    assert await everything(town.store.client) == before


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u2003"])
async def test_a_message_without_a_word_is_ignored(town: Town, text: str) -> None:
    await town.let_in("ben")
    before = await everything(town.store.client)
    assert [await town.writes(who, text) for who in ("anna", "ben")] == [Admission.IGNORED] * 2
    assert await everything(town.store.client) == before


async def test_a_text_of_any_length_is_kept_to_64_kilobytes_and_never_cut_inside_a_character(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "x" + "€" * 100_000)
    await town.writes("anna", "\ud800 alone")
    long, lone = [turn.content for turn in await town.conversation.recent(ANNA, 10)]
    assert len(long.encode()) <= 64 * 1024 < len(long.encode()) + 3
    assert set(long) == {"x", "€"}
    assert lone == "? alone"
