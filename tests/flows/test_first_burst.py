"""The tables of the checks are made for whoever is answered: not before, and not only when the reply is there."""

from collections.abc import Callable

from fakes.house import house
from fakes.process import eventually
from fakes.town import Town

from secondme.core.queue.worker import Deferred


async def test_a_gateway_that_answers_nobody_does_without_the_tables_of_the_checks(town: Town) -> None:
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        await town.writes("stranger", "hello")
        await eventually(lambda: town.channel.texts("local:stranger"))
        assert not town.rooms.agent._is_warm
        await town.let_in("anna")
        await town.writes("anna", "hi")
        await eventually(lambda: town.channel.texts("local:anna"))
        assert town.rooms.agent._is_warm


async def test_they_are_made_while_the_first_burst_gathers(town_with: Callable[..., Town]) -> None:
    town = town_with(pacing__enabled=True, pacing__gather_s=60, pacing__gather_max_s=300)
    await town.let_in("anna")
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        await town.writes("anna", "hi")
        await eventually(lambda: town.rooms.agent._is_warm)
        assert town.channel.texts("local:anna") == []


async def test_who_composes_without_a_gateway_makes_them_first(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    assert not town.rooms.agent._is_warm
    (token,) = await town.tokens()
    verdict = await town.gateway.answer(await town.inbox.begin(token, "w"))  # type: ignore[arg-type]
    assert not isinstance(verdict, Deferred)
    assert town.rooms.agent._is_warm
