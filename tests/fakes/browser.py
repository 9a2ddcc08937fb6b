"""A headless Chromium, driven over its own DevTools protocol. It can reach this machine only."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from fakes.process import DEADLINE_S, eventually

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page. `requests` are the URLs it asked for, WebSockets too; `errors` what its console complained of; `statuses` the pages' answers;
    `received` what came over WebSockets."""

    def __init__(self, profile: Path) -> None:
        assert BINARY is not None
        self._profile = profile
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.statuses: list[int] = []
        self.received = b""
        self._process = subprocess.Popen(
            [
                BINARY,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
                "--window-size=1280,720",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def __aenter__(self) -> Self:
        port_file = self._profile / "DevToolsActivePort"
        await eventually(lambda: port_file.exists() and port_file.read_text().count("\n"))
        port = port_file.read_text().split()[0]
        self._http = aiohttp.ClientSession()
        async with self._http.get(f"http://127.0.0.1:{port}/json") as listing:
            pages = [page for page in await listing.json(content_type=None) if page["type"] == "page"]
        self._socket = await self._http.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
        self._reading = asyncio.ensure_future(self._read())
        for domain in ("Network", "Runtime", "Page", "Log"):
            await self.call(f"{domain}.enable")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()
        await self._http.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What one command of the protocol answered."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(DEADLINE_S):
            return await answer

    async def open(self, url: str) -> int:
        """The status that the page was answered with."""
        before = len(self.statuses)
        await self.call("Page.navigate", url=url)
        await eventually(lambda: len(self.statuses) > before)
        return self.statuses[-1]

    async def resize(self, width: int, height: int) -> None:
        """The window has another size."""
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    async def press(self, key: str) -> None:
        """A key, as a person presses it."""
        name = {"\r": "Enter", "\x1b": "Escape"}.get(key, key)
        code = {"\r": 13, "\x1b": 27}.get(key, ord(key.upper()))
        common = {"key": name, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def screenshot(self) -> bytes:
        """What it shows, as a PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def _read(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event.get("result", {}))
            else:
                self._note(event["method"], event["params"])

    def _note(self, method: str, said: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(said["url"])
            case "Network.webSocketFrameReceived" if said["response"]["opcode"] == aiohttp.WSMsgType.BINARY:
                self.received += base64.b64decode(said["response"]["payloadData"])
            case "Network.responseReceived" if said["type"] == "Document":
                self.statuses.append(said["response"]["status"])
            case "Log.entryAdded" if said["entry"]["level"] == "error":
                self.errors.append(said["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.errors.append(said["exceptionDetails"]["text"])
            case "Runtime.consoleAPICalled" if said["type"] in {"error", "assert"}:
                self.errors.append(str(said["args"]))
