"""The token, and what people write, are in no log, no exception and no repr; and a light command pays nothing for the library."""

import asyncio
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.bot_api import TOKEN, Body, BotApi, Cut, Fail, Fault, File
from fakes.bot_api_rig import OWNER, PEOPLE, TelegramRig, context_of
from fakes.channel_host import RecordingHost

from secondme.channels.telegram import settings
from secondme.channels.telegram.setup import connect
from secondme.core.channel_plugin import LinkQuestion
from secondme.core.errors import SecondmeError
from secondme.core.ids import ContactId
from secondme.core.log import set_up
from secondme.core.messages import MessageContent

CANARY, WORDS = "zqTokenCanaryzq", "zqwordszq"
FAULTS: list[Fault] = [
    Cut("before"), Cut("after"), Fail(401, f"Unauthorized {TOKEN}"), Fail(404, TOKEN), Fail(400, TOKEN), Fail(403, TOKEN), Fail(409, TOKEN),
    Fail(429, TOKEN, 1), Fail(500, TOKEN), Fail(502), Body(f'{{"{TOKEN}{WORDS}'.encode()), Body(b'{"ok":true,"result":[{"update_id":1}]}'),
    Body(b'{"ok":true,"result":[]}'), Body(b'{"ok":true,"result":{}}'), Body(b'{"ok":true,"result":"%s"}' % TOKEN.encode()),
]  # fmt: skip


class Everything(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record) + repr(record.__dict__))


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Everything]:
    """Our own logging to files and stderr, and every library's at DEBUG beside it, as somebody might have set it up."""
    root, handler = logging.getLogger(), Everything()
    names = ("httpx", "httpcore", "telegram", "aiohttp", "asyncio")
    before = {name: logging.getLogger(name).level for name in names}
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in names:
        logging.getLogger(name).setLevel(logging.NOTSET)
    set_up("debug", tmp_path, console=True)
    logging.getLogger("secondme").propagate = True
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
    for name, was in before.items():
        logging.getLogger(name).setLevel(was)
    set_up("info", None, console=False)


async def _live(rig: TelegramRig) -> list[BaseException]:
    """A channel's life with everything that fails in it."""
    raised: list[BaseException] = []
    task = asyncio.create_task(rig.channel.run(RecordingHost()))
    async with asyncio.timeout(10):
        while rig.channel._bot is None and not task.done():
            await asyncio.sleep(0.005)
    to = ContactId(f"telegram:{PEOPLE['anna']}")
    for _ in FAULTS if not task.done() else ():
        try:
            await rig.channel.send(to, MessageContent(WORDS), "row")
        except SecondmeError as error:
            raised.append(error)
        rig.channel._flood_until = 0.0
        await rig.channel.typing(to)
        try:
            await rig.channel.download("f", 10)
        except SecondmeError as error:
            raised.append(error)
    task.cancel()
    try:
        await task
    except (SecondmeError, asyncio.CancelledError) as error:
        raised.append(error)
    return raised


def _written(directory: Path) -> str:
    return "".join(path.read_text() for path in directory.rglob("*.jsonl"))


async def test_the_token_and_the_words_are_written_nowhere(
    api: BotApi, everything: Everything, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raised: list[BaseException] = []
    for method in ("getMe", "deleteWebhook", "getUpdates"):
        for fault in FAULTS:
            api.faults[method].append(fault)
            task = asyncio.create_task(TelegramRig(api).channel.run(host := RecordingHost()))
            await host.until(lambda task=task, host=host: task.done() or host.signs_of_life > 0)
            task.cancel()
            raised += [error for error in await asyncio.gather(task, return_exceptions=True) if isinstance(error, Exception)]
            api.faults[method].clear()
    api.files["f"] = File(b"x" * 11, claimed=1)
    for method in ("sendMessage", "sendChatAction", "getFile"):
        api.faults[method].extend(FAULTS)
    api.write(PEOPLE["anna"], WORDS)
    api.broken = {api.write(PEOPLE["anna"], WORDS)["update_id"]}
    raised += await _live(TelegramRig(api))
    api.faults["getMe"].append(Fail(401, TOKEN))

    async def ask(question: LinkQuestion) -> str:
        return {"token": TOKEN}.get(question.name, str(OWNER))

    try:
        async for _ in connect(context_of(api, token=None, owner_id=None), ask):
            pass
    except SecondmeError as error:
        raised.append(error)
    assert len(raised) > 40
    logging.getLogger("secondme.channels.telegram").error("the end")
    shown = "".join(traceback.format_exception(error)[-1] + "".join(traceback.format_exception(error)) for error in raised)
    out, err = capfd.readouterr()
    written = _written(tmp_path)
    assert "the end" in written
    assert "the end" in "".join(everything.lines)
    texts = {"raised": shown, "stdout": out, "stderr": err, "files": written, "loggers": "".join(everything.lines)}
    found = [(where, secret) for where, text in texts.items() for secret in (CANARY, WORDS) if secret in text]
    assert found == []  # names only: a failure must not print it all


def test_settings_show_no_secret() -> None:
    read = settings.read_options({"token": TOKEN, "webhook_url": "https://x.example", "webhook_secret": "zqhookzq"})
    assert CANARY not in repr(read)
    assert "zqhookzq" not in repr(read)


async def test_the_channel_shows_no_secret(rig: TelegramRig) -> None:
    async with rig.running():
        assert CANARY not in repr(rig.channel) + str(rig.channel)


def test_a_command_that_only_looks_pays_nothing_for_the_library() -> None:
    looks = (
        "import sys; import secondme.channels.telegram.manifest as m, secondme.channels.telegram.setup as s; "
        "print(m.MANIFEST.setup == s.__name__, sorted({'telegram', 'httpx', 'ssl', 'asyncio'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "True []"
