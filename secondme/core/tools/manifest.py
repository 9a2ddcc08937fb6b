"""`manifest.json` of a skill: its tools, what it may ask for, its settings; read strictly, with the line of everything that is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from secondme.core.errors import DataError
from secondme.core.format import size
from secondme.core.text import EncodingError, did_you_mean, is_too_deep, plain_text, safe_name, safe_text
from secondme.core.tools import schemas
from secondme.core.tools.permissions import Audience, Leg, Permission, known_permissions, permission
from secondme.core.validation import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

SKILL_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
"""As the Agent Skills specification has it; 64 characters at most."""
LONGEST_NAME = 64
_TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,2}(?:[-+.][0-9A-Za-z.+-]{1,32})?", re.ASCII)
_NEEDS = re.compile(r">=\s*(\d{1,4}(?:\.\d{1,4}){0,2})", re.ASCII)
LIMIT_BYTES = 64 * 1024
_DEPTH = 12
_MOST_TOOLS = 24
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+|\n')


@dataclass(frozen=True, slots=True)
class SkillProblem:
    """What is wrong with a skill: the file in its folder, the line (0: none of them), plain words, and what mends it."""

    file: str
    line: int
    words: str
    fix: str = ""

    @property
    def text(self) -> str:
        """`manifest.json:3: ...`"""
        return f"{self.file}:{self.line}: {self.words}" if self.line else f"{self.file}: {self.words}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=True)


Kind = Literal["string", "text", "integer", "number", "boolean", "choice", "secret", "url", "folder", "file"]


class ConfigField(_Part):
    """One setting of a skill, as the owner is asked for it. A secret is put into requests by the gateway; the skill never sees it."""

    type: Kind
    label: str = Field("", max_length=80)
    help: str = Field("", max_length=300)
    required: bool = False
    default: str | int | float | bool | None = None
    choices: Annotated[tuple[str, ...], Field(strict=False, max_length=50)] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> ConfigField:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError('"choices" goes with "type": "choice"')
        if self.type in {"secret", "url", "folder", "file"} and self.default is not None:
            raise ValueError(f'"type": "{self.type}" has no default: what is reached or read there is the owner\'s to say')
        if self.default is not None and (fault := value_fault(self, self.default)):
            raise ValueError(f"the default {fault}")
        return self


class ToolDefinition(_Part):
    """One tool, a function of the skill's entry. What it may really do follows from its permissions, not from what it says of itself."""

    name: str
    description: str = Field(min_length=1, max_length=400)
    access: Literal["read", "write"]
    discloses: Literal["public", "private"] = "public"
    """What it tells is private where this says so, or where one of its permissions reads what is private."""
    permissions: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """Which of the skill's; None: all."""
    timeout_s: float = Field(8, gt=0, le=8, strict=False, alias="timeout_s")
    input_schema: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "properties": {}, "additionalProperties": False}, alias="input_schema"
    )

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        return _matching(_TOOL_NAME, value, "a tool's name has up to 32 of a-z 0-9 _, the first a letter")

    @field_validator("input_schema")
    @classmethod
    def _usable(cls, value: dict[str, Any]) -> dict[str, Any]:
        if found := schemas.faults(value):
            raise ValueError(found[0])
        return value


class Requirements(_Part):
    """What must be there for a skill to work."""

    skills: Annotated[tuple[str, ...], Field(strict=False, max_length=16)] = ()
    python: Annotated[tuple[str, ...], Field(strict=False, max_length=16)] = ()
    """Modules besides the standard library. Nothing is installed for a skill: what is not there makes it unusable."""


class SkillManifest(_Part):
    """What a skill says of itself, in the words of the owner's plan."""

    name: str
    version: str
    description: str = Field(min_length=1, max_length=1024)
    author: str = Field("", max_length=128)
    entry: str = "skill.py"
    secondme: str = ""
    requires: Requirements = Requirements()
    permissions: Annotated[tuple[str, ...], Field(strict=False, max_length=32)] = ()
    config: dict[str, ConfigField] = Field(default_factory=dict, max_length=32)
    tools: Annotated[tuple[ToolDefinition, ...], Field(strict=False, max_length=_MOST_TOOLS)] = ()
    health: str = ""
    """A function of the entry that returns when all is well; empty: there is none."""

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        return name_of_skill(value)

    @field_validator("version")
    @classmethod
    def _numbered(cls, value: str) -> str:
        return _matching(_VERSION, value, "a version looks like 1.2.0")

    @field_validator("entry")
    @classmethod
    def _plain(cls, value: str) -> str:
        return _matching(
            re.compile(r"[a-z][a-z0-9_]{0,31}\.py", re.ASCII), value, "the entry is a file of the folder, like skill.py"
        )

    @field_validator("secondme")
    @classmethod
    def _needed(cls, value: str) -> str:
        return value and _matching(_NEEDS, value, "what it needs of secondme looks like >=1.3")

    @field_validator("permissions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if permission(text) is None:
                names = [each.text for each in known_permissions()]
                words = did_you_mean(text, names, "there are net:<host> and the ones that secondme skills show lists")
                raise ValueError(f"{safe_name(text)!r} is no permission; {words}")
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _is_whole(self) -> SkillManifest:
        names = [tool.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise ValueError("two tools have one name")
        for tool in self.tools:
            if len(self.name) + 1 + len(tool.name) > LONGEST_NAME:
                raise ValueError(f"{self.name}_{tool.name} is longer than {LONGEST_NAME} characters")
            if foreign := set(tool.permissions or ()) - set(self.permissions):
                raise ValueError(f"{tool.name} uses {min(foreign)}, which the skill does not ask for")
        for name in self.config:
            _matching(_FIELD_NAME, name, "a setting's name has up to 32 of a-z 0-9 _, the first a letter")
        return self

    @cached_property
    def granted(self) -> tuple[Permission, ...]:
        """What it asks to be permitted."""
        return tuple(found for each in self.permissions if (found := permission(each)))

    @property
    def least_version(self) -> str:
        """The oldest secondme that it works with; empty: any."""
        found = _NEEDS.fullmatch(self.secondme)
        return found[1] if found else ""


def permissions_of(manifest: SkillManifest, tool: ToolDefinition) -> tuple[Permission, ...]:
    """What this one tool may ask for."""
    return tuple(each for each in manifest.granted if tool.permissions is None or each.text in tool.permissions)


def is_private(manifest: SkillManifest, tool: ToolDefinition) -> bool:
    """True when what it tells is not for everybody."""
    return tool.discloses == "private" or any(each.leg is Leg.PRIVATE for each in permissions_of(manifest, tool))


def is_write(manifest: SkillManifest, tool: ToolDefinition) -> bool:
    """True when it changes something, by its own word or by what it may ask for."""
    return tool.access == "write" or any(each.leg is Leg.WRITE for each in permissions_of(manifest, tool))


def widest_audience(manifest: SkillManifest, tool: ToolDefinition) -> Audience:
    """Who may cause it at most."""
    most = min((each.audience for each in permissions_of(manifest, tool)), default=Audience.STANDARD)
    return min(most, Audience.TRUSTED) if is_write(manifest, tool) else most


def name_of_skill(value: str) -> str:
    """`value`, a skill's name. Raises ValueError."""
    if len(value) > LONGEST_NAME:
        raise ValueError(f"a name has at most {LONGEST_NAME} characters")
    return _matching(SKILL_NAME, value, "a name has a-z, 0-9 and single - between them")


def value_fault(field: ConfigField, value: object) -> str:
    """Why `value` cannot be that of this setting, as `must be ...`; empty when it can."""
    match field.type:
        case "integer" if type(value) is not int:
            return "must be a whole number"
        case "number" if type(value) not in {int, float}:
            return "must be a number"
        case "boolean" if not isinstance(value, bool):
            return "must be true or false"
        case "choice" if value not in field.choices:
            return f"must be one of {', '.join(field.choices)}"
        case "url" if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/]+\S*", value):
            return "must be an address, like https://example.org/calendar.ics"
        case "folder" | "file" if not isinstance(value, str) or not value.startswith(("/", "~/")):
            return "must be a whole path, like ~/notes"
        case "string" | "secret" if not isinstance(value, str) or "\n" in value:
            return "must be one line of text"
        case "text" if not isinstance(value, str):
            return "must be text"
        case _:
            return ""


def value_from_text(field: ConfigField, text: str) -> str | int | float | bool:
    """A setting's value from what a person typed. Raises DataError."""
    value: str | int | float | bool = text
    if field.type in {"integer", "number", "boolean"}:
        word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.casefold(), text.casefold())
        try:
            value = json.loads(word)
        except ValueError:
            value = text
    if fault := value_fault(field, value):
        raise DataError("bad_value", f"{field.label or 'The setting'} {fault}.")
    return value


def read_manifest(raw: bytes, file: str = "manifest.json") -> SkillManifest | list[SkillProblem]:
    """The manifest in `raw`, or everything that is wrong with it. Never raises."""
    if len(raw) > LIMIT_BYTES:
        return [SkillProblem(file, 0, f"it is larger than {size(LIMIT_BYTES)}", "Shorten it.")]
    if is_too_deep(raw, _DEPTH):
        return [SkillProblem(file, 0, f"it has more than {_DEPTH} levels", "Make it flatter.")]
    try:
        text = plain_text(raw)
        value = json.loads(text, object_pairs_hook=_once)
    except EncodingError as error:
        return [SkillProblem(file, error.line or 1, f"it is {error.words}", "Save it as UTF-8.")]
    except json.JSONDecodeError as error:
        return [SkillProblem(file, error.lineno, f"it is not JSON: {error.msg[0].lower()}{error.msg[1:]}", "Correct that line.")]
    except (ValueError, RecursionError) as error:
        return [SkillProblem(file, 0, str(error)[:200])]
    if not isinstance(value, dict):
        return [SkillProblem(file, 1, "it is not an object", "It begins with { and ends with }.")]
    if (where := next(_hidden(value, ()), None)) is not None:
        words = "there are characters in it that nobody sees, and a model reads"
        return [SkillProblem(file, _line_of(where, _lines(text)), words, "Take them out.")]
    try:
        return SkillManifest.model_validate(value)
    except ValidationError as error:
        lines = _lines(text)
        return [_problem(each, lines, file) for each in error.errors(include_url=False)][:20]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise ValueError(f"{safe_name(twice)!r} is there twice")
    return found


def _hidden(value: Any, where: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:  # a JSON value of a stranger's
    """The ways to each text, names included, of which the owner would be shown less than a model reads."""
    if isinstance(value, str) and safe_text(value) != value:
        yield where
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        if isinstance(name, str) and safe_text(name) != name:
            yield where
        yield from _hidden(each, (*where, name))


def _line_of(where: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> int:
    """Of the value at `where`, or of the nearest around it."""
    return next((lines[where[:end]] for end in range(len(where), -1, -1) if where[:end] in lines), 1)


def _problem(error: Any, lines: dict[tuple[str | int, ...], int], file: str) -> SkillProblem:  # pydantic's own record
    where = tuple(part for part in error["loc"])
    line = _line_of(where, lines)
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{safe_name(str(part))}" for part in where).lstrip(".")
    if error["type"] == "extra_forbidden":
        known: dict[str, type[BaseModel]] = {
            "": SkillManifest,
            "tools": ToolDefinition,
            "config": ConfigField,
            "requires": Requirements,
        }
        model = known.get(str(where[0]) if len(where) > 1 else "", SkillManifest)
        names = [each.alias or name for name, each in model.model_fields.items()]
        words = f"{shown}: is not known; {did_you_mean(str(where[-1]), names, 'there are: ' + ', '.join(names))}"
    else:
        words = complaint(shown, error).removeprefix(": ").strip()
    return SkillProblem(file, line, words)


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """The line, from 1, where each value of a JSON text stands, by the way to it."""
    found: dict[tuple[str | int, ...], int] = {(): 1}
    line, path, key = 1, [], ""  # type: int, list[str | int], str
    for word in _WORD.findall(text):
        if word == "\n":
            line += 1
        elif word in "{[":
            path.append("" if word == "{" else 0)
        elif word in "}]":
            path.pop()
        elif word == ",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else ""
        elif word == ":":
            path[-1] = json.loads(key)
            found.setdefault(tuple(path), line)
        else:
            key = word
        if path and isinstance(path[-1], int):
            found.setdefault(tuple(path), line)
    return found


def _matching(pattern: re.Pattern[str], value: str, words: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(words)
    return value
