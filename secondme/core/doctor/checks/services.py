"""Checks of FalkorDB and AutoMem, where the owner has them. Both are optional."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from secondme.core.doctor.check import Check, DoctorContext, NotConfigured, Ok, Outcome, found, verdict
from secondme.core.doctor.store import look_at_graph
from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.store.address import where_of

_REFUSED = frozenset({401, 403})
_OK = 200
_HARMLESS = "/memory/by-tag?tags=secondme-doctor&limit=1"
"""Needs the token and touches no memory: nothing has this tag. A recall would change when memories were last used."""


async def graph(subject: DoctorContext) -> Outcome:
    """FalkorDB answers and has its module."""
    url = subject.settings.memory.graph_url
    if url is None:
        return NotConfigured()
    where = where_of(url.get_secret_value())
    try:
        version = await look_at_graph(url.get_secret_value(), subject.http_timeout_s)
    except UnavailableError:
        return verdict(found("graph-unreachable", where=where))
    except CredentialsError:
        return verdict(found("graph-refused", where=where))
    except ConfigError:
        return verdict(found("graph-no-module", where=where))
    return Ok(f"Connected ({where}{f', version {version}' if version else ''})")


async def automem(subject: DoctorContext) -> Outcome:
    """AutoMem answers, is healthy, and takes our token."""
    memory = subject.settings.memory
    if not memory.automem_url:
        return NotConfigured()
    base = memory.automem_url.rstrip("/")
    where = _host_of(base)
    headers = {"authorization": f"Bearer {memory.automem_token.get_secret_value()}"} if memory.automem_token else {}
    try:
        client = await subject.http(base)
        status, health = await subject.fetch(client, f"{base}/health")
        if not isinstance(health, dict) or status != _OK or health.get("status") not in {"healthy", "degraded"}:
            return verdict(found("automem-unreachable", where=where, why=f" (status {status})"))
        allowed, _ = await subject.fetch(client, base + _HARMLESS, headers)
    except UnavailableError:
        return verdict(found("automem-unreachable", where=where, why=""))
    why, remark = _degraded(health)
    return verdict(
        found("automem-refused", where=where) if allowed in _REFUSED else None,
        found("automem-degraded", where=where, why=why) if why else None,
        detail=f"Healthy ({where}){remark}",
    )


def _degraded(health: dict[str, Any]) -> tuple[str, str]:
    """What is wrong with it, and what is only worth a remark: without Qdrant it calls itself degraded for ever, and works."""
    if health.get("falkordb") == "disconnected":
        return "FalkorDB is disconnected", ""
    if health["status"] == "healthy":
        return "", ""
    return (
        ("", ", without similarity search (no Qdrant)") if health.get("qdrant") == "disconnected" else ("it does not say why", "")
    )


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or '?'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "its address"


CHECKS = (
    Check("graph", "FalkorDB", "The server of memory.graph_url answers and has its graph module", graph),
    Check("automem", "AutoMem", "The server of memory.automem_url is healthy and takes the token", automem),
)
