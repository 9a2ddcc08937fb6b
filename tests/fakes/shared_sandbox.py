"""The real sandbox, kept for many tests: a start costs as much as twenty calls. Each call has a child of its own as ever."""

import asyncio
import threading
from typing import Any

from secondme.core.clock import SystemClock
from secondme.skills.sandbox.sandbox import Ask, CallOutcome, Sandbox, SandboxCall


class SharedSandbox:
    """Lives in a thread of its own, since each test has another loop; what a skill asks is answered in the test's. Close it with `end`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._sandbox = Sandbox(SystemClock())
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def call(self, call: SandboxCall, ask: Ask, *, is_inner: bool = False) -> CallOutcome:
        """As the real one."""
        here = asyncio.get_running_loop()

        async def answer(question: dict[str, Any]) -> dict[str, Any]:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(ask(question), here))  # type: ignore[arg-type]

        calling = asyncio.run_coroutine_threadsafe(self._sandbox.call(call, answer, is_inner=is_inner), self._loop)
        return await asyncio.wrap_future(calling)

    async def close(self) -> None:
        """Others use it."""

    def end(self) -> None:
        """Every process and the thread have ended."""
        asyncio.run_coroutine_threadsafe(self._sandbox.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
