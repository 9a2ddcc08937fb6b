"""The way between a client and a server on this machine, which a test can close for newcomers while one conversation goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_PIECE = 65_536


class Road:
    """Carries bytes both ways. While closed nobody gets in, and only conversations that are to be kept go on."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._said: dict[asyncio.StreamWriter, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Newcomers get through, at the same address as before."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self, keep: bytes = b"") -> None:
        """A new connection is refused; of the old ones only those whose last request named `keep` go on."""
        assert self._server is not None
        self._server.close()
        for writer, said in list(self._said.items()):
            if not keep or keep not in said:
                writer.transport.abort()
        await asyncio.sleep(0)

    async def leave(self) -> None:
        """Nothing of it runs any more."""
        await self.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._said[writer] = b""
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(self._target.hostname, self._target.port)
            there = asyncio.ensure_future(self._pass(reader, far, of=writer))
            back = asyncio.ensure_future(self._pass(far_reader, writer))
            _, rest = await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for each in rest:
                each.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the test is over
        finally:
            self._tasks.discard(task)
            self._said.pop(writer, None)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, of: asyncio.StreamWriter | None = None
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                if of is not None and data.startswith((b"GET ", b"POST ")):  # a body may come by itself
                    self._said[of] = data[:200]
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def road_to(url: str) -> AsyncIterator[Road]:
    """An open road to the server at `url`."""
    road = Road(url)
    await road.open()
    try:
        yield road
    finally:
        await road.leave()
