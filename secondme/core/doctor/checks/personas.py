"""Can every persona speak?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.config.models import PersonaSettings
from secondme.core.doctor.check import Check, NotSetUp, in_thread, verdict
from secondme.core.doctor.kinds import found
from secondme.core.errors import ConfigError
from secondme.core.reply.personas import Broken, Library

if TYPE_CHECKING:
    from secondme.core.doctor.check import Outcome
    from secondme.core.doctor.kinds import Finding
    from secondme.core.doctor.subject import Subject


async def personas(subject: Subject) -> Outcome:
    """Every persona file can be used, and the chosen one is there."""
    library = Library(subject.places.personas)
    try:
        broken, sound = await in_thread(lambda: (library.broken(), [each.id for each in library.all()]))
    except ConfigError as error:  # the directory itself cannot be read
        return verdict(found("persona-broken", why=error.message, name="default"))
    chosen = subject.settings.persona.file
    is_missing = chosen != PersonaSettings.model_fields["file"].default and not (subject.places.personas / chosen).is_file()
    missing = found("persona-missing", name=chosen) if is_missing else None
    if not (broken or sound or missing):
        return NotSetUp("none of your own: a plain default speaks")
    return verdict(*map(_told, broken), missing, detail=", ".join(sound))


def _told(broken: Broken) -> Finding:
    return found("persona-broken", why=broken.error.message, name=broken.id)


CHECKS = (Check("personas", "Personas", "Every persona file can be used", personas),)
