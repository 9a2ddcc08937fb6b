"""Inside the sandbox: a local port whose connections end in the gateway's proxy, and then the program itself.

Run as a file by the system's Python: `bridge.py PORT COMMAND...`. Only the standard library. The bridge is a child of the program: when the
program ends, the kernel ends everything in its namespace.
"""

from __future__ import annotations

import asyncio
import os
import sys

_SOCKET = "/run/out.sock"
_CHUNK = 65_536
_AT_ONCE = 32


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


async def _bridge(port: int, ready: int) -> None:
    places = asyncio.Semaphore(_AT_ONCE)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with places:
            try:
                out_reader, out_writer = await asyncio.open_unix_connection(_SOCKET)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_pump(reader, out_writer), _pump(out_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    os.write(ready, b"1")
    os.close(ready)
    await server.serve_forever()


def main() -> None:
    """The program runs in this process, and the bridge beside it."""
    readable, ready = os.pipe()
    if os.fork() == 0:
        os.close(readable)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        asyncio.run(_bridge(int(sys.argv[1]), ready))
        os._exit(0)
    os.close(ready)
    os.read(readable, 1)
    os.close(readable)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  the program that was approved, in its sandbox


if __name__ == "__main__":
    main()
