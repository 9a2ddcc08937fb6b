"""Skills as folders, for tests."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CODE = "def where(input, ask):\n    return {'text': 'here'}\n"


def manifest_of(name: str, **more: Any) -> dict[str, Any]:
    """A manifest with one reading tool, `where`."""
    tools = [{"name": "where", "access": "read", "description": "Where it is."}]
    return {"name": name, "version": "1.0.0", "description": "Where it is.", "permissions": [], "tools": tools, **more}


def skill_files(name: str, code: str = CODE, **more: Any) -> dict[str, str]:
    """The files of a whole skill."""
    return {
        "SKILL.md": f"---\nname: {name}\ndescription: Where it is.\n---\nUse it.\n",
        "manifest.json": json.dumps(manifest_of(name, **more), indent=1),
        "skill.py": code,
    }


def lay(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """The files lie below `root`, which is ours alone."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(0o644)
    for directory, _, _ in os.walk(root):
        os.chmod(directory, 0o755)  # noqa: PTH101
    return root
