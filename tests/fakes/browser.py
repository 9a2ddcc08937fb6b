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
_PLACE = """(() => {
  const node = %(element)s;
  if (!node || node.disabled) return null;
  node.scrollIntoView({ block: "nearest", behavior: "instant" });
  const box = node.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const top = document.elementFromPoint(x, y);
  if (!top || !node.contains(top)) return null;
  window.touched = 0;
  window.addEventListener("click", () => { window.touched = %(number)d; }, { capture: true, once: true });
  document.addEventListener("click", () => { window.tapped = %(number)d; }, { once: true });
  return { x, y };
})()"""
_LOOKS = 500
"""For 10 ms each at least: far more than a click takes to follow a finger."""


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

    async def be_a_phone(self, width: int, height: int, scheme: str = "dark", *, scale: int = 1) -> None:
        """A screen of this size that is touched, and the colours that its owner prefers."""
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=True)
        await self.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
        await self.prefer(scheme)

    async def prefer(self, scheme: str, **features: str) -> None:
        """The colours its owner prefers, and other features of media queries, with `_` for `-`."""
        named = {"prefers-color-scheme": scheme, **{name.replace("_", "-"): value for name, value in features.items()}}
        await self.call("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in named.items()])

    async def go_offline(self, *, is_offline: bool = True) -> None:
        """No network, or again one."""
        await self.call(
            "Network.emulateNetworkConditions", offline=is_offline, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    async def tap(self, element: str) -> None:
        """A finger on the middle of the element that a JavaScript expression is, once it is there, can be used and nothing lies over it. Where
        the page moved it away meanwhile, or lets nothing be tapped that has just moved, again."""
        number = next(self._ids)
        while True:
            at = await eventually(lambda: self.evaluate(_PLACE % {"element": element, "number": number}))
            await self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
            await self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            for _ in range(_LOOKS):
                if await self.evaluate(f"window.touched === {number}"):
                    break
                await asyncio.sleep(0.01)
            if await self.evaluate(f"window.tapped === {number}"):
                return

    async def type(self, text: str) -> None:
        """Words, into what has the focus."""
        await self.call("Input.insertText", text=text)

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
