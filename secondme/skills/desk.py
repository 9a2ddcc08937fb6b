"""The desk: skills as the owner sees and steers them, from the command line, the API and the screen alike."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import DataError, NotFoundError
from secondme.core.text import did_you_mean, safe_name, safe_text
from secondme.core.tools.manifest import value_fault
from secondme.core.tools.reports import RunReport, SettingReport, SkillDetail, SkillReport
from secondme.skills.catalog import AUDIENCES, sheet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secondme.skills.catalog import SkillCatalog
    from secondme.skills.registry import Skill, SkillRegistry


class SkillDesk:
    """Shows skills, and carries out what the owner decides. `keep_secret` keeps one, or (None) removes it; `health` asks how a skill is."""

    def __init__(
        self,
        registry: SkillRegistry,
        catalog: SkillCatalog,
        secret_names: Callable[[str], set[str]],
        keep_secret: Callable[[str, str, str | None], object],
        health: Callable[[Skill], Awaitable[str | None]],
    ) -> None:
        self.registry = registry
        self.catalog = catalog
        self._secret_names = secret_names
        self._keep_secret = keep_secret
        self._health = health

    async def reports(self) -> list[SkillReport]:
        """Every skill. Raises UnavailableError."""
        return [SkillReport(**report_of(each)) for each in await self.registry.all()]

    async def detail(self, name: str, *, health: bool = True) -> SkillDetail:
        """One skill, whole; without `health` it is not asked how it is, which runs its code. Raises NotFoundError."""
        skill = await self.registry.get(name)
        looked = skill.folder if skill.folder.files else skill.running or skill.folder
        approved = skill.running if skill.approval is not None else None
        return SkillDetail(
            **report_of(skill),
            sheet=sheet(looked, approved, grants=skill.grants),
            approved_at=skill.approval.approved_at if skill.approval else None,
            health=await self._health(skill) if health else None,
            config=await self.settings(skill),
        )

    async def settings(self, skill: Skill) -> list[SettingReport]:
        """Its settings, as they are."""
        values, kept = await self.registry.config(skill), self._secret_names(skill.name)
        fields = skill.manifest.config if skill.manifest else {}
        return [
            SettingReport(
                name=name,
                label=safe_name(field.label) or name,
                type=field.type,
                required=field.required,
                choices=list(field.choices),
                value=values.get(name),
                set=name in kept if field.type == "secret" else values.get(name) is not None,
            )
            for name, field in fields.items()
        ]

    async def enable(self, name: str) -> SkillReport:
        """As the catalog."""
        return SkillReport(**report_of(await self.catalog.enable(name)))

    async def disable(self, name: str) -> SkillReport:
        """As the catalog."""
        return SkillReport(**report_of(await self.catalog.disable(name)))

    async def approve(self, name: str, digest: str) -> SkillReport:
        """What has this digest is approved, and on. Raises as the catalog."""
        return SkillReport(**report_of(await self.catalog.approve(name, digest=digest)))

    async def configure(self, name: str, values: Mapping[str, Any]) -> SkillDetail:
        """The settings in `values` have these values; None: their defaults. All of them, or none of them.

        Raises NotFoundError for a skill or a setting that is not there, DataError for a value that cannot be.
        """
        skill = await self.registry.get(name)
        fields = skill.manifest.config if skill.manifest else {}
        for setting, value in values.items():
            if setting not in fields:
                hint = did_you_mean(setting, fields, f"secondme skills config {name}")
                raise NotFoundError("no_such_setting", f"{name} has no setting {safe_name(setting)}.", hint)
            if value is not None and (fault := value_fault(fields[setting], value)):
                raise DataError("bad_value", f"{setting} {fault}.")
        secrets = {setting: value for setting, value in values.items() if fields[setting].type == "secret"}
        for setting, value in secrets.items():
            await asyncio.to_thread(self._keep_secret, name, setting, value)
        plain = {setting: value for setting, value in values.items() if setting not in secrets}
        if plain:
            await self.registry.store.set_config(name, plain)
        return await self.detail(name)

    async def runs(self, name: str, most: int, *, after: str = "") -> list[RunReport]:
        """The newest uses of the skill's tools (empty: of all skills'), newest first; `after` a use by its id, or all."""
        return [
            RunReport(
                id=run.run_id,
                at=rfc3339(from_ms(run.at_ms)),
                skill=run.skill,
                tool=run.tool,
                code=run.code,
                ms=run.ms,
                contact_id=run.contact_id or None,
            )
            for run in await self.registry.store.runs(most, name, after=after)
        ]


def report_of(skill: Skill) -> dict[str, Any]:
    """A skill's row."""
    return {
        "name": safe_name(skill.name),
        "kind": skill.kind.value,
        "state": skill.state.value,
        "enabled": skill.is_on,
        "audience": AUDIENCES[skill.audience] if skill.tools else skill.approval.audience if skill.approval else None,
        "description": safe_text(skill.folder.description) or None,
        "version": skill.manifest.version if skill.manifest else None,
        "tools": [each.name for each in skill.tools],
        "reason": skill.reason or None,
        "fix": skill.fix or None,
    }
