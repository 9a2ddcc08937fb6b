"""The reference of the store's keys, read out of the register's own source: every name, its type, lifetime and reason."""

import ast
import inspect

from secondme.core.store import keys

_HEAD = """# Keys

Everything that secondme keeps in Redis. Names are the predecessor's where it had one. Nothing else is ever written, and
`secondme contacts forget` erases what is kept of a contact. This page is written by the program; values are JSON unless it says otherwise.
With `redis_namespace` each name and channel begins with it in braces, `{mia}:`, and events are heard with `SSUBSCRIBE`.
"""


def keys_page() -> str:
    """The page as Markdown: one row for each key and each channel of events."""
    tree = ast.parse(inspect.getsource(keys))
    rows = {"PUBLISHED": [], "": []}  # type: dict[str, list[tuple[str, str]]]
    for node, behind in zip(tree.body, [*tree.body[1:], None], strict=True):
        if (
            isinstance(node, ast.FunctionDef)
            and isinstance(node.body[-1], ast.Return)
            and node.args.args
            and _is_text(node.returns)
        ):
            rows[""].append((_pattern(node.body[-1].value), ast.get_docstring(node) or ""))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            words = behind.value.value if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant) else ""
            kind = "PUBLISHED" if node.value.value.startswith("events:") else ""
            if kind or words.split(" ")[0].rstrip(",.") in {"STREAM", "ZSET", "SET", "STRING", "HASH", "LIST"}:
                rows[kind].append((node.value.value, str(words)))
    lines = [_HEAD, "## Kept", "", "| Key | What it is |", "| --- | --- |", *map(_row, sorted(rows[""]))]
    lines += ["", "## Published", "", "| Channel | What is said there |", "| --- | --- |", *map(_row, sorted(rows["PUBLISHED"]))]
    return "\n".join(lines) + "\n"


def _row(entry: tuple[str, str]) -> str:
    name, words = entry
    return f"| `{name}` | {' '.join(words.split()).replace('|', chr(92) + '|')} |"


def _is_text(returns: ast.expr | None) -> bool:
    return isinstance(returns, ast.Name) and returns.id == "str"


def _pattern(value: ast.expr | None) -> str:
    """`f"HISTORY:{contact}:ids"` as `HISTORY:{contact}:ids`."""
    assert isinstance(value, ast.JoinedStr)
    return "".join(part.value if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}" for part in value.values)  # type: ignore[attr-defined,misc]
