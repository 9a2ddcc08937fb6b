"""Pages and pictures of the documentation that come out of the program itself. `UPDATE_DOCS=1` writes them; else they must be the same."""

import os
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
IS_UPDATE = os.environ.get("UPDATE_DOCS") == "1"


def is_kept(name: str, text: str) -> bool:
    """True when docs/`name` is exactly `text`, after an update in any case."""
    path = DOCS / name
    if IS_UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return path.exists() and path.read_text("utf-8") == text
