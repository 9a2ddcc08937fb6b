"""The wizard's model: a key or a server, proven by a call before anything of it is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from secondme.cli.onboard.prompts import WizardChoice, WizardQuestion
from secondme.cli.onboard.site import Unproven
from secondme.core.config.files import keyring_strength
from secondme.core.config.loader import home_of, load
from secondme.core.config.models import server_address
from secondme.core.errors import SecondmeError
from secondme.core.providers.messages_api import list_models, try_model

if TYPE_CHECKING:
    from secondme.cli.onboard.site import Site
    from secondme.core.config.models import ModelSettings

_NO_KEY = "none"
"""What a server that wants no key is told."""
_KEY_FROM = "ANTHROPIC_API_KEY, SECONDME_MODEL__API_KEY or --api-key-file"
_ASKED = ("api_key", "keep_key", "base_url", "model", "small_model", "provider")
"""What is asked for again after a proof that failed."""
_SHOWN = 12
_KEY_FOR = "key_for"
"""In the draft: the server for which a key was kept."""


async def ask(site: Site) -> None:
    """Provider, key and models are decided, and the model has written one token with them, unless the owner goes on without.

    Raises what the proof raises when nobody can be asked again; KeyboardInterrupt when the owner leaves.
    """
    while True:
        settings = await _ask_once(site)
        answers = ("model", settings.base_url, _word_of(settings))
        settled = site.settled(answers)
        if settled is None:
            try:
                await _ask_proven(site, settings)
            except SecondmeError as error:
                site.plan.secrets.pop("model.api_key", None)
                interview = site.interview
                without = "Go on without: nobody is answered yet"
                settled = await site.ask_unproven(error, answers, without, _ASKED)
                if settled in {Unproven.AGAIN, Unproven.ELSE}:
                    continue
                interview.forget_draft("keep_key", _KEY_FOR)
        if settled is Unproven.WITHOUT:
            site.plan.report["model"] = {"name": "", "small": "", "baseUrl": None, "proven": False}
            site.aside("No model for now. Whenever you have one:")
            site.aside(site.screen.typed("  secondme onboard --only model"))
        elif settled is Unproven.ANYWAY:
            main = site.interview.answer("model") or settings.name
            _decide(site, settings, main, settings.small)
            site.plan.report["model"] = _reported(settings, main, settings.small, is_proven=False)
        break
    await _place_for_secrets(site)


async def _ask_proven(site: Site, settings: ModelSettings) -> None:
    """The models are chosen and write. Raises what keeps them from it."""
    server = (settings.base_url, _word_of(settings))
    names = await site.proof(("models", *server), lambda: list_models(settings))
    if names:
        _keep_key(site, settings)
        _remember_key(site, settings)
        site.good(f"The key is good for {len(names)} models")
    main, small = await _pick(site, settings, names)
    efforts = [
        await site.proof(("model", *server, name), lambda name=name: try_model(settings, name))  # type: ignore[misc]  # bound at once
        for name in dict.fromkeys((main, small))
    ]
    site.good(f"{main} answers" + (f", and {small} for small talk" if small != main else ""))
    _decide(site, settings, main, small)
    _remember_key(site, settings)
    if not all(efforts):
        site.plan.settings["model.effort"] = ""
        site.aside("It knows no effort (how much a model thinks), so none is asked for: model.effort is empty.")
    site.plan.report["model"] = _reported(settings, main, small, is_proven=True)


def _reported(settings: ModelSettings, main: str, small: str, *, is_proven: bool) -> dict[str, Any]:
    return {"name": main, "small": small, "baseUrl": settings.base_url, "proven": is_proven}


def _word_of(settings: ModelSettings) -> str:
    return settings.api_key.get_secret_value() if settings.api_key else ""


async def _place_for_secrets(site: Site) -> None:
    """Asked only where there is a keyring that this machine's own tools use."""
    strength = keyring_strength()
    if not site.interview.has("secrets") and strength < 1:
        return
    question = WizardQuestion("secrets", "Where should keys be kept?", "--secrets", default=site.setup.settings.secrets)
    where = await site.interview.choose(
        question,
        [
            WizardChoice("file", "In .env beside the configuration, for you alone (a service and cron can read it)"),
            WizardChoice(
                "keyring", "In this machine's keyring", "" if strength > 0 else "there is no keyring here that can be used"
            ),
        ],
    )
    site.plan.settings["secrets"] = where if where != "file" or site.setup.settings.secrets != "file" else None


async def _ask_once(site: Site) -> ModelSettings:
    """The answers, as settings of a model."""
    known = site.setup.settings.model
    interview = site.interview
    provider = "server" if interview.has("base_url") else None
    if provider is None:
        question = WizardQuestion(
            "provider", "Who writes the replies?", "--base-url", default="server" if known.base_url else "anthropic"
        )
        provider = await interview.choose(
            question,
            [
                WizardChoice("anthropic", "Claude, by a key of Anthropic's"),
                WizardChoice("server", "Another server that speaks the Messages API"),
            ],
        )
    base_url = None
    if provider == "server":
        question = WizardQuestion("base_url", "Its address:", "--base-url", default=known.base_url, check=why_no_address)
        base_url = server_address(await interview.text(question))
    if site.key_server not in {None, base_url or ""}:  # a key and models of another server
        for name in ("api_key", "model", "small_model"):
            interview.drop_typed(name)
    site.key_server = base_url or ""
    key = await _key(site, base_url)
    flags = {
        "model.api_key": key,
        "model.base_url": base_url,
        "model.name": known.name,
        "model.small": known.small,
        "model.effort": known.effort,
        "model.max_tokens": known.max_tokens,
    }
    return load(
        {name: value for name, value in flags.items() if value is not None}, {}, home=home_of(site.invocation.home), config=""
    ).settings.model


async def _key(site: Site, base_url: str | None) -> str:
    kept = load({}, {}, home=home_of(site.invocation.home)).settings.model  # what the environment says is an answer, and not kept
    interview, is_own_server = site.interview, base_url is not None
    is_its_own = base_url == kept.base_url or interview.recalled(_KEY_FOR) == (base_url or "")
    known = kept.api_key if is_its_own else None  # a key is for the server that it was given for, and for no other
    if known is not None and not interview.has("api_key"):
        keep = WizardQuestion("keep_key", "A key is kept already. Keep it?", _KEY_FROM, default="yes")
        if await interview.confirm(keep):
            return known.get_secret_value()
    if is_own_server:
        question = WizardQuestion(
            "api_key",
            "Its key (Enter if it wants none):",
            _KEY_FROM,
            default="",
            check=lambda key: _key_like(key) if key else "",
            secret=True,
            is_quick=True,
        )
        return await interview.text(question) or _NO_KEY
    if interview.is_live and not interview.has("api_key"):
        site.aside("You get a key at https://console.anthropic.com, under API keys. What you paste stays hidden.")
    return await interview.text(WizardQuestion("api_key", "Your Anthropic key:", _KEY_FROM, secret=True, check=_key_like))


async def _pick(site: Site, settings: ModelSettings, names: tuple[str, ...]) -> tuple[str, str]:
    """The model for replies and the one for small talk. Without a list of the server's, what was typed or what is set."""

    def offered(name: str) -> str:
        return "" if not names or name in names else f"the server offers no {name}"

    best = settings.name if not names or settings.name in names else next((n for n in names if "sonnet" in n), names[0])
    question = WizardQuestion("model", "Which one writes as you?", "--model", default=best, check=offered)
    shown = [WizardChoice(name, name) for name in dict.fromkeys((best, *names[:_SHOWN]))]
    given = site.interview.has("model") or not names
    main = await (site.interview.text(question) if given else site.interview.choose(question, shown))
    light = settings.small if not names or settings.small in names else next((n for n in names if "haiku" in n), main)
    if site.interview.has("small_model"):
        light = await site.interview.text(WizardQuestion("small_model", "And for small talk?", "--small-model", check=offered))
    return main, light


def _decide(site: Site, settings: ModelSettings, main: str, small: str) -> None:
    plan, defaults = site.plan, load({}, {}, home=home_of(site.invocation.home), config="").settings.model
    _keep_key(site, settings)
    plan.settings["model.base_url"] = settings.base_url
    plan.settings["model.name"] = main if main != defaults.name else None
    plan.settings["model.small"] = small if small != defaults.small else None


def _keep_key(site: Site, settings: ModelSettings) -> None:
    site.plan.secrets["model.api_key"] = _word_of(settings)


def _remember_key(site: Site, settings: ModelSettings) -> None:
    """Left from now on, the wizard keeps the key, and the next run need not ask for it."""
    site.interview.remember("keep_key", "yes")
    site.interview.remember(_KEY_FOR, settings.base_url or "")


def given_key(path: str | None) -> str | None:
    """The key that came with the command: from a file, `-` for stdin, else from the environment. Raises ConfigError when the file cannot be read."""
    from pathlib import Path
    from sys import stdin

    from secondme.core.errors import ConfigError
    from secondme.core.text import plain_text

    if path is None:
        return os.environ.get("SECONDME_MODEL__API_KEY") or os.environ.get("ANTHROPIC_API_KEY") or None
    try:
        text = stdin.readline(4096) if path == "-" else plain_text(Path(path).read_bytes()[:4096])
    except (OSError, UnicodeError) as error:
        raise ConfigError("bad_answer", "--api-key-file cannot be read.", "Name a file that holds nothing but the key.") from error
    return text.strip()


def why_no_address(answer: str) -> str:
    """Why `answer` is no address of a server; empty when it is one."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(answer)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    return "" if good else "an address looks like http://127.0.0.1:8080"


def _key_like(answer: str) -> str:
    return (
        ""
        if answer.isascii() and answer.isprintable() and " " not in answer and answer
        else "a key is one word of plain characters"
    )
