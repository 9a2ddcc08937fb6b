"""The reference of the settings, read out of the settings' own source: names, types, defaults and the words beside them."""

import ast
import inspect
import sys
import types
import typing
from datetime import time
from enum import Enum
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from pydantic import AwareDatetime, SecretStr
from pydantic_core import PydanticUndefined

from secondme.core.config.loader import Settings, sections
from secondme.core.config.models import Section

HEAD = """# Settings

Every setting, from the program itself. `secondme config show` prints yours and where each comes from; `secondme config set NAME VALUE`
changes one. A flag (`--set NAME=VALUE`) wins over the environment, the environment over `.env`, `.env` over the keyring, the keyring over
`config.toml`, and that over what linking a channel found out.

In `config.toml` the part before the dot is a table: `sleep.start` is `start` below `[sleep]`. In the environment and in `.env` it is
`SECONDME_SLEEP__START`.
"""


def settings_page() -> str:
    """The whole page."""
    parts = [HEAD]
    alone = {name: Settings.model_fields[name] for name, section in sections() if section is None}
    parts.append("## Alone\n\n" + _table("", Settings, alone))
    for name, section in sections():
        if section is not None:
            parts.append(f"## {name}\n\n{inspect.getdoc(section)}\n\n" + _table(f"{name}.", section, section.model_fields))
            for inner, field in section.model_fields.items():
                if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                    group, about = field.annotation, inspect.getdoc(field.annotation)
                    parts.append(f"### {name}.{inner}\n\n{about}\n\n" + _table(f"{name}.{inner}.", group, group.model_fields))
    return "\n".join(parts)


def _table(prefix: str, owner: type[Section], fields: Any) -> str:
    words = _words(owner)
    lines = ["| setting | is | default | |", "|---|---|---|---|"]
    for name, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            continue  # a table of its own
        default = "" if field.default is PydanticUndefined or field.default is None else _shown(field.default)
        about = words.get(name, "")
        lines.append(f"| `{prefix}{name}` | {_type(field)} | {f'`{default}`' if default else ''} | {about} |")
    return "\n".join(lines) + "\n"


def _words(owner: type[Section]) -> dict[str, str]:
    """The sentence below each field, as it stands in the source."""
    source = inspect.getsource(sys.modules[owner.__module__])
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == owner.__name__).body
    found = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[field.target.id] = " ".join(str(after.value.value).split()).replace("|", "\\|")  # type: ignore[union-attr]
    return found


def _shown(value: Any) -> str:
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, Enum):
        return str(value.value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(field: Any) -> str:
    annotation, limits = field.annotation, ""
    if get_origin(annotation) in {types.UnionType, typing.Union}:
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{each}`" if each else "empty" for each in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    for rule in field.metadata:
        limits += "".join(f" {sign} {getattr(rule, name):g}" for name, sign in _SIGNS.items() if hasattr(rule, name))
    names = {SecretStr: "secret", str: "text", int: "whole number", float: "number", bool: "`true` or `false`", time: "time of day"}
    names[AwareDatetime] = "moment with its zone"
    return names.get(annotation, "table") + limits


_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
