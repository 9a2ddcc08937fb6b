"""Telegram's gateway is killed between receiving, admitting and confirming, and at random: every update is answered exactly once.

Telegram keeps an update until a later poll, and the gate knows what it had. What may have gone out when the process died is held for the
owner, since the Bot API has no id of the sender's choice; here the owner looks into the chat and sends what is not there.
"""

import asyncio
import itertools
import json
from pathlib import Path
from random import Random

import pytest
from fakes import process
from fakes.messages_api import Say
from fakes.process import eventually
from fakes.size import sized
from fakes.telegram_town import TelegramTown, contact_of, telegram_town

pytestmark = pytest.mark.heavy  # a gateway for each place to die at

CONFIG = "[queue]\nlease_s = 1\nmax_attempts = 100\n[delivery]\ntimeout_s = 0.5\n[limits]\nmessages = 100000\n"
PEOPLE = [4_400_001, 4_400_002, 4_400_003]
STEPS = ["gateway.received", "gateway.admitted", "channel.admitted"]
"""Received and not decided, decided and not known to the channel, known to the channel and not confirmed by a poll."""
AT_EACH_STEP = sized(5, 2)
AT_RANDOM = sized(6, 3)
NOTHING_WRONG = {"lost": 0, "answered twice": 0, "inversions": 0}


class Ledger:
    """Which updates were written, and which of the replies on screen answer them."""

    def __init__(self, town: TelegramTown, appended: Path) -> None:
        self.town = town
        self.appended = appended
        self.said: dict[int, list[str]] = {}
        self.settled = 0
        self.late: set[str] = set()
        """Replies that the owner sent by hand: they come when they come."""
        numbers = itertools.count(1)
        town.model.script = lambda _: Say(f"reply {next(numbers)}")  # each text once, so that a text on screen is one row

    def says(self, user: int) -> None:
        made = self.town.writes(user, f"message {len(self.said.get(user, []))}")
        self.said.setdefault(user, []).append(str(made["message"]["message_id"]))

    def answers(self) -> dict[str, list[str]]:
        """Text of a row -> the messages it answers, for every reply that was ever composed on this store."""
        rows: dict[str, list[str]] = {}
        for path in sorted(self.appended.glob("appendonlydir/*.incr.aof")):
            for words in process._commands(path.read_bytes()):
                if words[0].upper() == b"FLUSHALL":
                    rows.clear()
                elif words[0].upper() == b"RPUSH" and words[1].startswith(b"OUTBOX:telegram:"):
                    row = json.loads(words[2])
                    rows[row["text"]] = list(row.get("answers", []))
        return rows

    def counts(self) -> dict[str, int]:
        rows = self.answers()
        lost = twice = inversions = replies = 0
        for user, said in self.said.items():
            shown = self.town.api.shown[user]
            answered = [said.index(message) for text in shown for message in rows.get(text, [])]
            replies += len(shown)
            lost += len(said) - len(set(answered))
            twice += len(answered) - len(set(answered))
            by_itself = [said.index(message) for text in shown if text not in self.late for message in rows.get(text, [])]
            inversions += sum(later < earlier for earlier, later in itertools.pairwise(by_itself))
        written = sum(map(len, self.said.values()))
        return {"updates": written, "replies": replies, "lost": lost, "answered twice": twice, "inversions": inversions}

    async def settle_what_is_held(self) -> bool:
        """The owner sends what the contact did not see, and drops what it did. True once every update is answered."""
        for user in self.said:
            for held in await self.town.held_for(user):
                self.settled += 1
                assert held.reason == "ambiguous"
                if held.row.text in self.town.api.shown[user]:
                    await self.town.drafts.discard(contact_of(user), "telegram", held.row.reply_id)
                else:
                    self.late.add(held.row.text)
                    await self.town.drafts.release(contact_of(user), "telegram", held.row.reply_id)
        return self.counts()["lost"] == 0


async def test_every_update_is_answered_exactly_once_however_the_gateway_dies(
    home: Path, redis_url: str, server_home: Path
) -> None:
    rng = Random(4)
    async with telegram_town(home, redis_url, CONFIG, paced=False) as town:
        await town.let_in(*PEOPLE)
        ledger = Ledger(town, server_home / "store")
        kills = 0
        with town.gateway("worker"):
            for step in [each for each in STEPS for _ in range(AT_EACH_STEP)]:
                for user in rng.sample(PEOPLE, 2):
                    ledger.says(user)
                with town.gateway("gateway", f"{step}:KILL:{rng.randint(1, 2)}") as dying:
                    assert await dying.ended() == -9
                kills += 1
            before = ledger.counts()
            for _ in range(AT_RANDOM):
                kills += await _killed_at_random(town, ledger, rng)
            with town.gateway("gateway"):
                await eventually(ledger.settle_what_is_held)
                for user in PEOPLE:
                    await town.settled(user)
                counts = ledger.counts()
                await eventually(lambda: town.api.waiting == [])
        assert [key async for key in town.store.client.scan_iter(match="DEAD:*")] == []
        assert {contact_of(user) for user in PEOPLE} == {contact_of(user) for user in ledger.said}
    print(
        f"{kills} kills ({len(STEPS)} steps x {AT_EACH_STEP}, {AT_RANDOM} at random); {counts}; {before['lost']} waited after the steps"
    )
    print(f"{ledger.settled} settled by the owner, {len(ledger.late)} of them by sending")
    assert {name: counts[name] for name in NOTHING_WRONG} == NOTHING_WRONG
    assert kills == len(STEPS) * AT_EACH_STEP + AT_RANDOM


async def _killed_at_random(town: TelegramTown, ledger: Ledger, rng: Random) -> int:
    with town.gateway("gateway") as dying:
        async with asyncio.timeout(process.DEADLINE_S):
            polls = town.api.polls
            while town.api.polls == polls:
                await asyncio.sleep(0.01)
            for _ in range(rng.randint(1, 12)):
                ledger.says(rng.choice(PEOPLE))
                await asyncio.sleep(rng.uniform(0, 0.05))
        dying.kill()
        return int(await dying.ended() == -9)
