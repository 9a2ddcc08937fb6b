"""What does it cost to think of a reply, without the model? Routing, voice, context, prompt, budget, checks, beside one round trip."""

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import uvloop
from counts import count
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.clock import from_ms
from secondme.core.config.loader import load
from secondme.core.ids import ContactId
from secondme.core.records import Burst, OwnMessage
from secondme.core.remember.store import StyleStore
from secondme.core.reply.checks import Instructions, find_fault
from secondme.core.reply.router_rules import by_rules
from secondme.core.store.client import Store
from secondme.core.store.server import Role

ANNA = ContactId("local:anna")
_REPLIES = count(200, 3)
_CHECKS = count(2000, 10)
_OWN = 300


def measure() -> None:
    """Prints the figures."""
    uvloop.run(_measure())


async def _measure() -> None:
    flags = {"pacing.enabled": False, "sleep.enabled": False, "budget.daily_usd": 1e6, "budget.daily_usd_per_contact": 1e6}
    setup = load(flags, {}, home=Path(tempfile.mkdtemp(prefix="smb-", dir="/tmp")))
    async with Store(setup, Role.OWN) as store:
        town = Town(setup, store, ScriptedModel(), Random(1))
        burst = await _staged(town)
        agent = town.rooms.agent
        floor = await _ms(store.client.ping)  # type: ignore[arg-type]
        composed = await _ms(lambda: agent.compose_reply(burst))
    told = Instructions(("rules " * 200,), ("yes",), asked_if_machine=False, contact_ids=frozenset({ANNA}))
    find_fault("see you on sunday then", told)
    rules = _us(lambda: by_rules(["and when do we meet?"]))
    checks = _us(lambda: find_fault("see you on sunday then", told))
    print(f"{'reply: composed, 300 own messages known':<44} {f'{composed:.2f} ms CPU':>16}  {f'one PING {floor:.3f} ms':>22}")
    print(f"{'reply: routed by rules / checked':<44} {f'{rules:.0f} / {checks:.0f} us CPU':>16}")


async def _staged(town: Town) -> Burst:
    await town.let_in("anna")
    own = [
        OwnMessage(
            id=f"o{n}", at=from_ms(1_700_000_000_000 + n * 60_000), text=f"number {n} about trains", before=f"what about {n}?"
        )
        for n in range(_OWN)
    ]
    await StyleStore(town.store).add(ANNA, own)
    for n in range(60):
        await town.store.client.delete(f"SEEN:{ANNA}")  # the limit of messages is not what is measured
        await town.writes("anna", f"what about plan {n} for the weekend?")
        if n % 10 == 9:
            await town.work()
            await town.deliver()
    await town.writes("anna", "and when do we meet on sunday?")
    (token,) = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    assert isinstance(burst, Burst)
    await town.rooms.agent.warm()
    await town.rooms.agent.compose_reply(burst)
    return burst


async def _ms(operation: Callable[[], Awaitable[object]]) -> float:
    begun = time.process_time()
    for _ in range(_REPLIES):
        await operation()
    return (time.process_time() - begun) / _REPLIES * 1000


def _us(operation: Callable[[], object]) -> float:
    begun = time.process_time()
    for _ in range(_CHECKS):
        operation()
    return (time.process_time() - begun) / _CHECKS * 1e6
