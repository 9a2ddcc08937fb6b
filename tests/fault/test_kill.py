"""A process is killed at a named step; the contact is answered all the same, once."""

from pathlib import Path

import pytest
from fakes.process import GatewayProcess, command, contact, until, write_config

STEPS = [
    "gateway.received",
    "gateway.admitted",
    "channel.admitted",
    "worker.taken",
    "worker.begun",
    "worker.composed",
    "worker.finished",
    "sender.taking",
    "sender.sending",
    "sender.delivered",
    "sender.sent",
]


@pytest.mark.parametrize("step", STEPS)
async def test_a_message_survives_a_kill_at(step: str, home: Path) -> None:
    write_config(home, "[queue]\nlease_s = 1\n[delivery]\ntimeout_s = 0.2\n")
    first = GatewayProcess(home)
    try:
        async with contact(home, "anna") as anna:
            anna.say("hello")
            await until(anna, "message")
            assert command(home, "pairing", "approve", "local:anna").returncode == 0
            await until(anna, "message")
            first.kill()
            await first.ended()
            dying = GatewayProcess(home, "all", f"{step}:KILL:1")
            anna.say("are you there?")
            assert await dying.ended() == -9
            last = GatewayProcess(home)
            try:
                (answer,) = await until(anna, "message")
                assert "are you there?" in answer.text
            finally:
                last.close()
    finally:
        first.close()
