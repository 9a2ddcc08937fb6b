"""What was said with `secondme onboard`, before the wizard begins? Flags and variables become answers; wrong names are said at once."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING

from secondme.cli.onboarding.model import given_key
from secondme.cli.onboarding.wizard import STAGES, Wishes, onboard
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.cli.output import CommandResult
    from secondme.cli.run import Invocation


async def start_wizard(
    invocation: Invocation,
    options: Mapping[str, str | None],
    *,
    api_key_file: str | None,
    only: tuple[str, ...],
    ask: bool,
    dry_run: bool,
) -> CommandResult:
    """See `wizard.onboard`. Raises ConfigError for a stage that there is not."""
    for name in only:
        if name not in STAGES:
            near = get_close_matches(name, STAGES, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(STAGES)}."
            raise ConfigError("bad_answer", f"--only: there is no stage {name}.", hint)
    answers = {name: value for name, value in options.items() if value is not None}
    found = {
        "api_key": given_key(api_key_file),
        "redis_url": os.environ.get("SECONDME_REDIS_URL"),
        "base_url": os.environ.get("ANTHROPIC_BASE_URL"),
    }
    answers = {**{name: value for name, value in found.items() if value}, **answers}
    return await onboard(invocation, Wishes(answers, only, ask=ask, dry_run=dry_run))
