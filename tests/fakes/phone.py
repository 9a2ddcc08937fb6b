"""A gateway, the door of `tui --web` beside it, and a phone that taps its page: all of them real processes."""

import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes.browser import Browser
from fakes.process import DEADLINE_S, GatewayProcess, contact, eventually, let_in, settings_of, until, write_config
from fakes.web import Web

from secondme.channels.local.protocol import CHANNEL, contact_of
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services


class House:
    """A home whose gateway runs, and whose pages are served."""

    def __init__(self, home: Path, web: Web, gateway: GatewayProcess) -> None:
        self.home = home
        self.web = web
        self.gateway = gateway
        self.setup: Setup = settings_of(home)

    def listens(self) -> None:
        """The API can be called."""
        path, end = self.setup.places.api_socket, time.monotonic() + DEADLINE_S
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.02)

    @asynccontextmanager
    async def services(self) -> AsyncIterator[Services]:
        """What the store holds, read by this process."""
        async with Store(self.setup, Role.BORROW) as store:
            yield Services(self.setup, store, by="test")

    async def draft(self, name: str, text: str, **how: Any) -> str:
        """A draft for an approved contact waits; its id."""
        async with self.services() as services:
            made = await services.drafts.suggest(contact_of(name), CHANNEL, text, **how)
            assert made is not None
            return made

    async def asks(self, name: str, text: str) -> None:
        """A restricted contact was let in and wrote, and the clone's answer waits for the owner."""
        await let_in(self.setup, name, tier=Tier.RESTRICTED)
        async with contact(self.home, name) as client:
            client.say(text)
            await until(client, "accepted")
        async with self.services() as services:
            await eventually(lambda: _holds(services, name))


async def _holds(services: Services, name: str) -> bool:
    waiting, _ = await services.drafts.waiting()
    return any(draft.contact_id == contact_of(name) for draft in waiting)


@contextmanager
def house(text: str = "", *, at: str = "") -> Iterator[House]:
    """A house that was entered from here: `web.cookie` and `web.path` are the session's, and the phone's link was not used."""
    home = Path(tempfile.mkdtemp(prefix="smp-", dir="/tmp"))
    write_config(home, text)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        gateway = stack.enter_context(GatewayProcess(home))
        web = stack.enter_context(Web(home, at=at))
        web.enter()
        gateway.hears()
        there = House(home, web, gateway)
        there.listens()
        yield there


@dataclass
class Phone:
    """The page on a phone. Elements are found by what they say, as a person finds them."""

    browser: Browser

    async def tab(self, name: str) -> None:
        await self.browser.tap(f"document.querySelector('nav [data-tab={name}]')")
        await eventually(lambda: self.browser.evaluate(f"!document.getElementById('{name}').hidden"))

    async def shows(self, words: str) -> None:
        """They are somewhere on what is seen."""
        await eventually(lambda: self.browser.evaluate(f"document.body.innerText.includes({json.dumps(words)})"))

    async def hides(self, words: str) -> None:
        """They are nowhere on what is seen any more."""
        await eventually(lambda: self.browser.evaluate(f"!document.body.innerText.includes({json.dumps(words)})"))

    async def tap(self, words: str, within: str = "") -> None:
        """A button that says `words`, in the card that shows `within`; on the sheet, where one is open."""
        await self.browser.tap(_BUTTON % (json.dumps(words), json.dumps(within)))

    async def tap_and_leave(self, words: str, within: str = "") -> None:
        """As `tap`, and the page is left at once, before anything else can happen."""
        button = _BUTTON % (json.dumps(words), json.dumps(within))
        leave = "node.click(); dispatchEvent(new Event('pagehide')); return true;"
        await eventually(lambda: self.browser.evaluate(f"(() => {{ const node = {button}; if (!node) return false; {leave} }})()"))

    async def write(self, words: str) -> None:
        """Words in the place of those in the one field that is written in."""
        await self.browser.tap(_FIELD)
        await self.browser.evaluate("document.activeElement.select()")
        await self.browser.type(words)

    async def small(self) -> list[str]:
        """What can be tapped and is smaller than a finger."""
        found: list[str] = await self.browser.evaluate(_SMALL)
        return found

    async def sideways(self) -> int:
        """By how many pixels something stands beyond the right edge."""
        wide: int = await self.browser.evaluate(_WIDE)
        return wide


_BUTTON = """(() => {
  const words = %s, within = %s, sheet = document.querySelector("dialog[open]");
  const places = sheet ? [sheet] : [...document.querySelectorAll("main section:not([hidden]) > *, .composer:not([hidden])")];
  const place = places.find((each) => each.innerText.includes(within) && [...each.querySelectorAll("button"), ...(each.matches("button") ? [each] : [])]
    .some((node) => node.innerText.trim().split("\\n")[0] === words));
  return place && [...place.querySelectorAll("button"), place].find((node) => node.matches("button") && node.innerText.trim().split("\\n")[0] === words);
})()"""
_FIELD = "document.querySelector('dialog[open] input, main section:not([hidden]) textarea, .composer textarea')"
_SMALL = """[...document.querySelectorAll("button, a, input, textarea, select")].filter((node) => node.checkVisibility()).map((node) => [node, node.getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44).map(([node, box]) => `${node.innerText || node.tagName} ${box.width}x${box.height}`)"""
_WIDE = """(() => {
  const boxes = [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility()).map((node) => node.getBoundingClientRect().right);
  const own = [...document.querySelectorAll("html, body, main, section, .card, dialog")].map((node) => node.scrollWidth - node.clientWidth);
  return Math.round(Math.max(0, ...boxes.map((right) => right - innerWidth), ...own));
})()"""


@asynccontextmanager
async def phone(house: House, width: int = 390, height: int = 844, scheme: str = "dark", *, scale: int = 1) -> AsyncIterator[Phone]:
    """The phone page, opened with the session's cookie."""
    name, _, value = house.web.cookie.partition("=")
    async with Browser(Path(tempfile.mkdtemp(dir=house.home))) as browser:
        await browser.be_a_phone(width, height, scheme, scale=scale)
        where = {"url": house.web.origin, "path": f"{house.web.path}/", "httpOnly": True, "sameSite": "Strict"}
        await browser.call("Network.setCookie", name=name, value=value, **where)
        assert await browser.open(f"{house.web.origin}{house.web.path}/phone/") == 200
        page = Phone(browser)
        await page.shows("●")  # its scripts run
        yield page


async def invite(house: House, name: str) -> str:
    """The code of an invite that was made elsewhere."""
    async with house.services() as services:
        return (await services.pairing.invite(name, Tier.STANDARD, timedelta(hours=1))).code
