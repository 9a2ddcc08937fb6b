"""Codes are guessed, enumerated and disguised."""

import statistics
import sys
import time
import unicodedata
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from attacks.crowd import Crowd, at_once
from fakes.size import sized
from fakes.watching import everything

from secondme.core.enums import Tier
from secondme.core.ids import code_of
from secondme.core.messages import Admission, Challenge

pytestmark = pytest.mark.heavy  # thousands of guesses

IDS = 1000
ROOMY = {"pairing__max_pending_requests": 20_000, "pairing__prompt": "silent"}
OPENED = {Challenge.WELCOMED, Challenge.APPROVED, Admission.QUEUED}


async def _victims(crowd: Crowd) -> list[str]:
    """The live codes of all ids, in the order of the ids."""
    await at_once(crowd.says(f"s{who}", "hi") for who in range(IDS))
    listing = await crowd.pairing.listing()
    found = {request.contact_id: request.code for request in listing.pending}
    return [found[f"local:s{who}"] for who in range(IDS)]


@pytest.mark.parametrize("mode", ["owner", "self_verify"])
@pytest.mark.parametrize(
    "guesses", [sized(25_000, 8_000), pytest.param(1_000_000, marks=pytest.mark.slow)]
)  # the second takes minutes
async def test_brute_force_over_a_thousand_ids_opens_nothing(crowd_with: Any, ear_on: Any, mode: str, guesses: int) -> None:
    crowd = await crowd_with(**ROOMY, pairing__mode=mode)
    codes = await _victims(crowd)
    invites = [(await crowd.owner.invite("", Tier.STANDARD, timedelta(hours=1))).code for _ in range(100)]
    ear, outcomes = await ear_on(crowd), Counter[str]()
    # At first only wrong ones: everybody tries the codes of everybody else. Once the door has closed, all digits in order,
    # right ones among them.
    sprayed = (crowd.says(f"s{n % IDS}", codes[(n + 1 + n // IDS) % IDS]) for n in range(200))
    outcomes.update(await at_once(sprayed))
    assert (outcomes[Challenge.WRONG_CODE], outcomes[Challenge.CLOSED]) == (50, 150)
    known = [*invites, *codes]
    for start in range(200, guesses, 2000):
        block = range(start, min(start + 2000, guesses))
        said = (crowd.says(f"s{n % IDS}", known[n % len(known)] if n % 10 == 0 else f"{n % 1_000_000:06d}") for n in block)
        outcomes.update(await at_once(said))
    own = Counter(await at_once(crowd.says(f"s{who}", code) for who, code in enumerate(codes)))
    evaluated = outcomes[Challenge.WRONG_CODE] + outcomes[Challenge.DENIED]
    events = Counter(event.get("event") or event["type"] for event in await ear.heard())
    stats = await crowd.pairing.stats()
    print(f"{mode}: {guesses:,} guesses over {IDS} ids and {len(known)} live codes: {dict(outcomes)}; then their own: {dict(own)}")
    print(f"evaluated {evaluated}, approved {stats.approved}, invites left {len((await crowd.pairing.listing()).invites)}")
    assert not OPENED & set(outcomes)
    assert own == {Challenge.NEEDS_OWNER if mode == "owner" else Challenge.CLOSED: IDS}
    assert (sum(outcomes.values()), evaluated, stats.approved) == (guesses, 50, 0)
    assert len((await crowd.pairing.listing()).invites) == 100
    assert events == {"pairing_closed": 1, "pairing_code_attempt": 50}
    assert await everything(crowd.store.client, "PAIRING:approved:*") == {}


@pytest.mark.parametrize("mode", ["owner", "self_verify"])
async def test_with_an_hour_between_every_fifty_guesses_a_thousand_ids_have_five_thousand(crowd_with: Any, mode: str) -> None:
    crowd = await crowd_with(**ROOMY, pairing__mode=mode)
    codes = await _victims(crowd)
    outcomes = Counter[str]()
    for turn in range(8):
        for start in range(0, IDS, 40):
            said = (crowd.says(f"s{who}", codes[(who + turn + 1) % IDS]) for who in range(start, start + 40))
            outcomes.update(await at_once(said))
            await crowd.store.client.delete("PAIRING:wrong", "PAIRING:closed")  # as an hour does
    stats = await crowd.pairing.stats()
    evaluated = outcomes[Challenge.WRONG_CODE] + stats.denied
    print(f"{mode}: 8,000 guesses in 200 hours: {dict(outcomes)}; evaluated {evaluated}, approved {stats.approved}")
    assert outcomes == {Challenge.WRONG_CODE: 4 * IDS, Challenge.DENIED: 4 * IDS}
    assert (evaluated, stats.approved, stats.denied, stats.pending) == (5000, 0, IDS, 0)


async def test_a_breaker_that_closed_opens_again_for_invites_after_its_hour(crowd_with: Any) -> None:
    crowd = await crowd_with(pairing__wrong_codes_per_hour=3)
    invite = await crowd.owner.invite("Friend", Tier.STANDARD, timedelta(hours=2))
    wrong = f"{(int(invite.code) + 1) % 1_000_000:06d}"
    assert [await crowd.says(f"s{number}", wrong) for number in range(3)] == [Challenge.WRONG_CODE] * 3
    assert await crowd.says("friend", invite.code) is Challenge.CLOSED
    assert 3_590_000 < await crowd.store.client.pttl("PAIRING:closed") <= 3_600_000
    await crowd.store.client.pexpireat("PAIRING:closed", 1)
    assert await crowd.says("friend", invite.code) is Challenge.WELCOMED


async def test_an_invite_that_is_made_while_the_door_is_closed_works_and_guessing_stays_hopeless(crowd_with: Any) -> None:
    """Thousands of ids shut the door and go on guessing; who is invited now comes in all the same, and nobody who guesses."""
    crowd = await crowd_with(**ROOMY, pairing__wrong_codes_per_hour=50)
    old = [(await crowd.owner.invite("", Tier.STANDARD, timedelta(hours=2))).code for _ in range(50)]
    assert Counter([await crowd.says(f"g{n}", "000000") for n in range(60)])[Challenge.CLOSED] == 10
    fresh = [(await crowd.owner.invite("", Tier.STANDARD, timedelta(hours=2))).code for _ in range(2)]
    live = {*old, *fresh}
    wrong = [text for n in range(40_000) if (text := f"{n:06d}") not in live]
    outcomes = Counter(await at_once(crowd.says(f"w{n}", wrong[n]) for n in range(300)))
    assert outcomes == {Challenge.WRONG_CODE: 300}
    assert await crowd.says("mother", fresh[0]) is Challenge.WELCOMED
    assert await crowd.says("sister", old[0]) is Challenge.WRONG_CODE  # from before: as closed as all others
    outcomes = Counter(await at_once(crowd.says(f"v{n % 4000}", wrong[n]) for n in range(20_000)))
    print(f"20,000 guesses of 4,000 ids while the door is closed and an invite is fresh: {dict(outcomes)}")
    assert outcomes == {Challenge.WRONG_CODE: 199, Challenge.CLOSED: 20_000 - 199}
    assert await crowd.says("late", fresh[1]) is Challenge.CLOSED
    assert (await crowd.pairing.stats()).approved == 1
    again = (await crowd.owner.invite("", Tier.STANDARD, timedelta(hours=2))).code
    assert await crowd.says("late", again) is Challenge.WELCOMED
    assert [await crowd.says("w0", wrong[n]) for n in range(5)] == [*[Challenge.WRONG_CODE] * 3, *[Challenge.DENIED] * 2]
    await crowd.store.client.pexpireat("PAIRING:closed", 1)
    assert await crowd.says("friend", old[1]) is Challenge.WELCOMED


async def test_no_answer_tells_a_guesser_what_exists(crowd_with: Any) -> None:
    crowd = await crowd_with(**ROOMY, pairing__wrong_codes_per_hour=50)
    await at_once(crowd.says(f"{kind}{n}", "hi") for kind in ("pending", "denied") for n in range(250))
    await at_once(crowd.owner.deny(f"local:denied{n}") for n in range(250))
    live = {request.code for request in (await crowd.pairing.listing()).pending}
    wrong = next(digits for n in range(1_000_000) if (digits := f"{n:06d}") not in live)
    medians = {}
    for kind, text in (("unknown", wrong), ("pending", wrong), ("denied", wrong), ("denied", "hi"), ("pending", "hi")):
        took, before = [], await everything(crowd.store.client, "OUTBOX*")
        for n in range(250):
            started = time.perf_counter()
            await crowd.says(f"{kind}{n}", text)
            took.append(time.perf_counter() - started)
            await crowd.store.client.delete("PAIRING:wrong", "PAIRING:closed")
        medians[f"{kind}/{'code' if text == wrong else 'text'}"] = round(statistics.median(took) * 1e6)
        assert await everything(crowd.store.client, "OUTBOX*") == before == {}
    await crowd.deliver()
    print(f"sends in every state: {len(crowd.channel.raw)}; median microseconds: {medians}")
    assert crowd.channel.raw == []


DIGITS = [char for char in map(chr, range(sys.maxunicode + 1)) if char.isdigit() and not char.isascii()]
FULLWIDTH = str.maketrans("0123456789", "０１２３４５６７８９")  # noqa: RUF001  the point
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
HIDDEN = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u0301", "\u20e3", "\ufe0f", "\x00", "\x1b[0m", "\x7f"]


def _disguised(code: str) -> list[str]:
    """Ways to write `code` that a person, `int()` or `\\d` may take for it."""
    found = []
    for char in DIGITS:
        zero = ord(char) - int(unicodedata.digit(char))
        script = "".join(chr(zero + int(digit)) for digit in code)
        found += [char * 6, code[:5] + char, char + code[1:], code[:3] + char + code[4:], script, f" {code[:-1]}{char}\n"]
    for hidden in HIDDEN:
        found += [code[:3] + hidden + code[3:], code + hidden, hidden + code, hidden.join(code)]
    found += [code.translate(FULLWIDTH), code.translate(SUPERSCRIPT), code + code.translate(FULLWIDTH)]
    found += [code[:3] + "\n" + code[3:], f"{code}\nx", f"x\n{code}", f"{code}\n{code}", code[:3] + " " + code[3:], f"+{code}"]
    found += [f"-{code}", f"{code}.0", f"{code[:3]}_{code[3:]}", f"0{code}", code[:5], hex(int(code)), f"{code}%", f"'{code}'"]
    return [text for text in found if text.strip() != code]


@pytest.mark.parametrize("mode", ["owner", "self_verify"])
async def test_only_ascii_digits_are_a_code(crowd_with: Any, mode: str) -> None:
    crowd = await crowd_with(pairing__mode=mode, limits__messages=100_000)
    await crowd.says("anna", "hi")
    code = await crowd.code("anna")
    before = await everything(crowd.store.client)
    texts = _disguised(code)
    outcomes = Counter(await at_once(crowd.says("anna", text) for text in texts))
    print(f"{mode}: {len(DIGITS)} digits that are not ASCII, {len(texts)} disguises: {dict(outcomes)}")
    assert len(DIGITS) >= 700
    assert [text for text in texts if code_of(text) is not None] == []
    assert sum(outcomes.values()) == len(texts) > 4500
    assert set(outcomes) <= {Challenge.ALREADY_PENDING}
    assert await everything(crowd.store.client) == before
    assert await crowd.says("anna", f" {code}\n") is (Challenge.NEEDS_OWNER if mode == "owner" else Challenge.WELCOMED)
