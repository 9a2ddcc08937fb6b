"""How does one key get from one server into another? As the bytes that DUMP gives; an older kind of server wants another number in their footer.

Valkey 9 signs its dumps as format 80, which no Redis accepts, although strings, lists, sets, hashes, sorted sets and streams are written
as in format 11. A footer is two bytes of format and a CRC-64 (Jones), both little-endian.
"""

from __future__ import annotations

from functools import cache

_FOOTER = 10
_OLDER = (11).to_bytes(2, "little")
_POLYNOMIAL = 0x95AC9329AC4BC9B5
"""Jones', with its bits reversed."""


def as_older(dumped: bytes) -> bytes:
    """The same value with the footer of format 11, which Redis 7.2 and newer accept."""
    body = dumped[:-_FOOTER] + _OLDER
    return body + crc64(body).to_bytes(8, "little")


def crc64(data: bytes) -> int:
    """The checksum of `data` as the servers compute it. Some 10 MB a second."""
    table, crc = _table(), 0
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


@cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table
