"""The blind test for a friend: a page with pairs of answers to what they themselves wrote, which gives a code of what they said of each.

Which answer is whose is nowhere in it, nor anything that a guess could be tested by: the sides come from what the run alone knows, the pairs stand in
the order of time, and a turn that would tell another pair's answer is left out. The owner reads the code beside the run. The page says in its
first line what it is. Nothing sends it but the owner's own hand.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from secondme.core.enums import Tier
from secondme.core.errors import DataError, NotFoundError
from secondme.core.files import packaged
from secondme.core.rehearse.blind import COUNT, BlindSummary, pairs
from secondme.core.rehearse.report_page import document, html_text, said, talk
from secondme.core.text import caseless, safe_name

if TYPE_CHECKING:
    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact
    from secondme.core.rehearse.archive import RehearsalRun
    from secondme.core.rehearse.blind import Item, Said

_FEWEST = 5
"""Pairs below which even a friend who is always right could have guessed."""
_CHOICES: tuple[tuple[Said, str], ...] = (("a", "A"), ("b", "B"), ("no_idea", "No idea"), ("remembered", "I remember this one"))
_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter is taken for a number. The page's script knows the same."""
_READ = str.maketrans("OIL", "011")
_PAGE_SIGNS, _CHECK_SIGNS, _BITS = 4, 2, 5
_CHECK = 1021
"""The largest prime below 32 * 32: a wrong sign and two that changed places are found."""
_GROUP = re.compile(r"@g\.us\Z|:-\d")


def friend_page(
    run: RehearsalRun,
    contact: ContactId,
    approved: ApprovedContact | None,
    typed: str,
    *,
    owner: str,
    variant: int = 0,
    count: int = COUNT,
) -> str:
    """The page for one contact, of at most `count` pairs of their own conversation. `approved` is what the contact was let in as, `typed` the name
    by which the owner says whom it is for, `owner` what the contact calls the owner.

    Raises NotFoundError `not_approved`; DataError `not_for_friends` (restricted, a group), `other_name`, `too_few_pairs`.
    """
    if approved is None:
        raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")
    if approved.tier is Tier.RESTRICTED or _GROUP.search(contact):
        what = "a group" if approved.tier is not Tier.RESTRICTED else "restricted"
        raise DataError(
            "not_for_friends", f"{contact} is {what}: there is no page for a friend.", "Choose one person whom you trust."
        )
    name = safe_name(approved.display_name or "") or contact
    if caseless(safe_name(typed)) != caseless(name):
        raise DataError("other_name", "That is not the name of the contact: nothing was written.", "Type the name as it is listed.")
    items, _ = _pairs(run, contact, variant, count)
    if len(items) < _FEWEST:
        raise DataError(
            "too_few_pairs",
            f"Of this contact there are {len(items)} pairs, and it takes {_FEWEST}.",
            "secondme rehearse --contact ID",
        )
    me = f"<bdi>{html_text(safe_name(owner))}</bdi>"
    first = (
        f'<p class="warn"><strong>Half of the answers on this page were written by an AI, and {me} asks for your help.</strong> '
        f"It is to find out whether that AI is good enough to write as {me} would, and where it is not.</p>"
    )
    about = (
        f"<p>You see what you wrote to {me}, and two answers. One of them {me} really sent. Please do not look it up; say so where you "
        "remember it. The page sends nothing and keeps nothing: when every pair has your word there is a code at its end, which you send "
        f"back yourself. It tells {me} how often you were right. These are your own conversations: delete the page afterwards.</p>"
    )
    rest = (
        f'<h2>Your code</h2><output data-page="{_page_signs(items)}"></output><p>Send it to {me}.</p><noscript><p class="warn">'
        "The code is made by a script in this page. Open the page in a browser that runs it.</p></noscript>"
    )
    shown = "".join(_item(item, number, len(items), me) for number, item in enumerate(items, 1))
    body = f"{first}<h1>Which one did {me} write?</h1>{about}{shown}{rest}"
    return document("Which one is real?", body, packaged("rehearse", "friend_page.js"))


def read_friend_code(run: RehearsalRun, contact: ContactId, code: str, *, variant: int = 0, count: int = COUNT) -> BlindSummary:
    """What the friend's choices come to, in sums alone. Raises DataError `bad_code` for one that was mistyped, `other_page` for one of another
    page: of another run, contact or variant, or of pairs that the run no longer has."""
    signs = re.sub(r"[\W_]", "", code).upper().translate(_READ)
    items, same = _pairs(run, contact, variant, count)
    body, check = signs[:-_CHECK_SIGNS], signs[-_CHECK_SIGNS:]
    if not body or set(signs) - set(_SIGNS) or _check_signs(body) != check:
        raise DataError(
            "bad_code", "That is no code of a friend's page: something in it was mistyped.", "Copy it from the message."
        )
    bits = "".join(f"{_SIGNS.index(sign):0{_BITS}b}" for sign in body[_PAGE_SIGNS:])
    if body[:_PAGE_SIGNS] != _page_signs(items) or len(bits) // 2 < len(items):
        raise DataError(
            "other_page", "The code is of another page than this run makes now.", "Name the run and the contact of that page."
        )
    said = [item.choice(_CHOICES[int(bits[2 * at : 2 * at + 2], 2)][0]).said for at, item in enumerate(items)]
    remembered = said.count("remembered")
    return BlindSummary(said.count("real"), said.count("no_idea"), len(said) - remembered, same, remembered, is_done=True)


def _pairs(run: RehearsalRun, contact: ContactId, variant: int, count: int) -> tuple[list[Item], int]:
    items, same = pairs(run, variant, contact=contact, purpose="friend")
    return sorted(items[:count], key=lambda item: (item.burst.at, item.burst.id)), same


def _item(item: Item, number: int, total: int, me: str) -> str:
    answers = "".join(f"<div><h4>{letter}</h4>{said(each)}</div>" for letter, each in zip("AB", item.shown, strict=True))
    inputs = "".join(
        f'<label><input type="radio" name="pair{number}" value="{value}"> {words}</label>'
        for value, (_, words) in enumerate(_CHOICES)
    )
    before = talk(item.before, item.burst.asked, {"contact": "you", "owner": me})
    return (
        f'<article><header>{number} of {total}</header>{before}<div class="pair">{answers}</div>'
        f"<fieldset><legend>{me} wrote</legend>{inputs}</fieldset></article>"
    )


def _page_signs(items: list[Item]) -> str:
    """Which page it is: of what can be read on it, so that it tells nothing more."""
    shown = json.dumps([item.shown for item in items]).encode()
    number = int.from_bytes(sha256(shown).digest()[:4])
    return "".join(_SIGNS[number >> _BITS * at & 31] for at in range(_PAGE_SIGNS))


def _check_signs(body: str) -> str:
    total = sum((at + 1) * _SIGNS.index(sign) for at, sign in enumerate(body)) % _CHECK
    return _SIGNS[total >> _BITS] + _SIGNS[total & 31]
