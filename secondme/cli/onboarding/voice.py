"""Whose voice is it? A few questions make the first persona; an exported chat may teach it more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from secondme.cli.onboarding.interview import Question
from secondme.core.reply.persona import DEFAULT_STYLE, LANGUAGE
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from secondme.cli.onboarding.site import Site

_LONGEST_NAME, _LONGEST_LINE = 64, 200
_UNNAMED = "the owner"


async def ask(site: Site) -> None:
    """Name, persona and export are decided."""
    interview, known = site.interview, site.setup.settings.persona
    name = await interview.text(Question("persona_name", "What do people call you?", "--persona-name", _named(known.name), _name))
    site.plan.settings["persona.name"] = name
    await _persona(site, name)
    await _export(site, name)


def _named(name: str) -> str | None:
    return name if name != _UNNAMED else None


async def _persona(site: Site, name: str) -> None:
    interview = site.interview
    path = site.setup.places.personas / site.setup.settings.persona.file
    said = any(interview.has(each) for each in ("tone", "language", "about"))
    if path.exists() and not said:
        site.good(f"Your persona stays as it is: {path}")
        site.plan.report["persona"] = {"path": str(path), "made": False}
        return
    tone = await interview.text(Question("tone", "How do you write, in a few words?", "--tone", "warm and brief", _line))
    language = await interview.text(
        Question("language", "In which language? A tag like en or es; Enter answers in theirs:", "--language", "", _language)
    )
    about = await interview.text(Question("about", "What should it always do, or never? One line, or Enter:", "--about", "", _line))
    guide = f"{DEFAULT_STYLE}\n{safe_text(about)}" if about else DEFAULT_STYLE
    site.plan.persona = {"name": name, "tone": tone, "language": language, "guide": guide}
    site.plan.report["persona"] = {"path": str(path), "made": True}


async def _export(site: Site, name: str) -> None:
    interview = site.interview
    typed = await interview.text(
        Question("import", "A chat exported from WhatsApp or Telegram to learn from? Its path, or Enter:", "--import", "", _a_file)
    )
    if not typed:
        return
    site.plan.exports = [_path(typed)]
    site.plan.export_owner = await interview.text(Question("import_me", "Your name in it:", "--import-me", name, _line))


def _path(typed: str) -> Path:
    return Path(typed).expanduser()


def _name(answer: str) -> str:
    return "" if 0 < len(answer) <= _LONGEST_NAME and answer.isprintable() else f"a name has 1 to {_LONGEST_NAME} characters"


def _line(answer: str) -> str:
    return "" if (len(answer) <= _LONGEST_LINE and answer.isprintable()) or not answer else f"at most {_LONGEST_LINE} characters"


def _language(answer: str) -> str:
    return "" if not answer or LANGUAGE.fullmatch(answer) else "a language tag looks like en, es or pt-BR"


def _a_file(answer: str) -> str:
    try:
        return "" if not answer or Path(answer).expanduser().is_file() else "there is no such file"
    except (OSError, ValueError, RuntimeError):
        return "there is no such file"
