"""A stand-in for a model, for `serve --demo` without a key. It labels every reply, so nobody takes it for the owner."""

from __future__ import annotations

from secondme.core.messages import Composed, ModelOutcome, Prompt

_QUOTED = 80


class StandIn:
    """Answers at once and without a network, by repeating what it was told."""

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        """A labelled reply that shows which words arrived."""
        last = prompt.turns[-1].text.splitlines()[-1][:_QUOTED] if prompt.turns else ""
        return Composed(f"[demo] I am an AI assistant, and got your message: {last} (with a key of yours, Claude answers here)")
