"""How are the owner's voices put together and shown? What the persona, style and contacts commands share.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.cli.compose import BY_CLI, security_log

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.output import Screen
    from secondme.core.admit.contacts import Answering
    from secondme.core.admit.store import ContactChoices
    from secondme.core.config.loader import Setup
    from secondme.core.enums import Relationship
    from secondme.core.remember.store import RelationshipStore, StyleStore
    from secondme.core.remember.style import StyleProfile
    from secondme.core.reply.persona import Persona
    from secondme.core.reply.personas import Library
    from secondme.core.reply.store import PersonaUse
    from secondme.core.store.client import Store


def library(setup: Setup) -> Library:
    """The owner's persona files."""
    from secondme.core.reply.personas import Library

    return Library(setup.places.personas)


def persona_use(store: Store) -> PersonaUse:
    """Which persona is used for everybody and for each relationship."""
    from secondme.core.reply.store import PersonaUse

    return PersonaUse(store)


def contact_choices(store: Store) -> ContactChoices:
    """What the owner chose for single contacts."""
    from secondme.core.admit.store import ContactChoices

    return ContactChoices(store)


def answering(store: Store, by: str = BY_CLI) -> Answering:
    """The owner's decisions about how single contacts are answered. `by` is what the security log says."""
    from secondme.core.admit.contacts import Answering

    return Answering(contact_choices(store), security_log(store), by=by)


def style_store(store: Store) -> StyleStore:
    """How the owner writes."""
    from secondme.core.remember.store import StyleStore

    return StyleStore(store)


def relationship_store(store: Store) -> RelationshipStore:
    """What contacts are to the owner."""
    from secondme.core.remember.store import RelationshipStore

    return RelationshipStore(store)


def persona_row(persona: Persona) -> dict[str, Any]:
    """A persona as JSON values."""
    return {
        "id": persona.id,
        "name": persona.name,
        "tone": persona.tone,
        "language": persona.language,
        "relationships": [each.value for each in persona.relationships],
        "examples": list(persona.examples),
        "styleGuide": persona.style_guide,
    }


def show_persona(screen: Screen, row: dict[str, Any]) -> None:
    """A persona for a person."""
    screen.line(f"{row['name']}  ({row['id']})" if row["id"] else "The built-in default", "bold")
    for label, value in (("tone", row["tone"]), ("language", row["language"]), ("for", ", ".join(row["relationships"]))):
        if value:
            screen.line(f"  {label:<9} {value}")
    screen.line()
    screen.line(row["styleGuide"])
    for at, example in enumerate(row["examples"]):
        screen.line(("\nExamples:\n  " if at == 0 else "  ") + example.replace("\n", "\n  "))


def style_row(profile: StyleProfile | None) -> dict[str, Any] | None:
    """A style profile as JSON values; None while there is none."""
    return None if profile is None else profile.to_dict()


def make_persona(directory: Path, name: str, fields: dict[str, str], relationships: tuple[Relationship, ...], guide: str) -> Path:
    """The file of a new persona is there, 0600, and can be used. Raises ConfigError when it is there already or could not be used."""
    from secondme.core.errors import ConfigError
    from secondme.core.reply.persona import SUFFIX, persona_id, read
    from secondme.core.reply.persona import parse as parse_persona

    identity = persona_id(name)
    if identity is None:
        raise ConfigError("bad_persona", "A persona's name is up to 64 letters, digits, - and _.", "secondme persona new work")
    path = directory / f"{identity}{SUFFIX}"
    _write_new(path, _text_of(fields, relationships, guide))
    try:
        parse_persona(read(path), path, identity)
    except ConfigError:
        path.unlink()
        raise
    return path


def _text_of(fields: dict[str, str], relationships: tuple[Relationship, ...], guide: str) -> str:
    import json

    from secondme.core.text import safe_text

    shown = {key: " ".join(safe_text(value).split()) for key, value in fields.items()}
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in shown.items() if value]
    if relationships:
        lines.append(f"relationships: [{', '.join(each.value for each in relationships)}]")
    return "\n".join(["---", *lines, "---", "", guide, ""])


def _write_new(path: Path, text: str) -> None:
    import os

    from secondme.core.config.paths import private_dir
    from secondme.core.errors import ConfigError

    private_dir(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError("persona_exists", f"{path} is there already.", f"secondme persona edit {path.stem}") from error
    except OSError as error:
        raise ConfigError("bad_persona", f"{path} cannot be written: {error.strerror}.", "Check its owner and mode.") from error
