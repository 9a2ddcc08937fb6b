"""The sockets are there from the start; the web framework is imported when somebody calls."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.process import DEADLINE_S, environment

PROBE = """
import asyncio, json, os, stat, sys
from pathlib import Path

WEB = ("fastapi", "starlette", "uvicorn", "h11", "secondme.core.api.app", "secondme.core.api.server")


def loaded():
    return sorted(set(WEB) & set(sys.modules))


async def call(where, path, **more):
    reader, writer = await (asyncio.open_unix_connection(where) if isinstance(where, str) else asyncio.open_connection("127.0.0.1", where))
    headers = "".join(f"{name}: {value}\\r\\n" for name, value in more.items())
    host = "localhost" if isinstance(where, str) else f"localhost:{where}"
    writer.write(f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\n{headers}Connection: close\\r\\n\\r\\n".encode())
    said = await reader.read()
    writer.close()
    return int(said.split()[1])


async def there(holds):
    while not holds():
        await asyncio.sleep(0.01)


async def main(home, callers):
    from secondme.core.api.sockets import Address
    from secondme.core.api.webhooks import Webhooks
    from secondme.core.clock import SystemClock
    from secondme.core.config.loader import load
    from secondme.core.messages import WebhookAnswer
    from secondme.core.store.server import Role
    from secondme.services import open_services

    async def hear(request):
        return WebhookAnswer(200)

    setup = load({"api.listen": "127.0.0.1:0"}, {}, home=Path(home))
    stop, found = asyncio.Event(), {}
    async with open_services(setup, Role.OWN) as services:
        api = services.api(stop.is_set)
        webhooks = Webhooks({"ear": hear}.get, Address("127.0.0.1", 0), SystemClock())
        tasks = [asyncio.ensure_future(each.run(stop)) for each in (api, webhooks)]
        unix = setup.places.api_socket
        await there(lambda: unix.exists() and api.port and webhooks.port)
        found["mode"] = oct(stat.S_IMODE(unix.lstat().st_mode))
        found["token"] = setup.places.api_token.exists()
        found["before"] = loaded()
        port, beats = api.port, []

        async def beat():
            while True:
                beats.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.005)

        beating = asyncio.ensure_future(beat())
        places = {"unix": (str(unix), "/health"), "tcp": (port, "/health"), "webhooks": (webhooks.port, "/webhooks/ear")}
        found["statuses"] = sorted(set(await asyncio.gather(*(call(*places[each]) for each in callers for _ in range(15)))))
        beating.cancel()
        found["longest"] = max((after - before for before, after in zip(beats, beats[1:])), default=0.0)
        found["after"] = loaded()
        found["again"] = [await call(*place) for place in places.values()] if callers else []
        found["refused"] = await call(port, "/api/status") if callers else 401
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
        found["left"] = unix.exists()
    return found


home, loop, *callers = sys.argv[1:]
if loop == "uvloop":
    import uvloop

    found = uvloop.run(main(home, callers))
else:
    found = asyncio.run(main(home, callers))
print(json.dumps(found))
"""
WHOLE = ["fastapi", "h11", "secondme.core.api.app", "secondme.core.api.server", "starlette", "uvicorn"]


ALL = ("unix", "tcp", "webhooks")


@pytest.mark.parametrize(
    ("callers", "loop"),
    [
        *((callers, "uvloop") for callers in ((), *((each,) for each in ALL), ALL)),
        (ALL, "asyncio"),  # the other loop imports the same; one at a time it is asked before a release
        *(pytest.param(callers, "asyncio", marks=pytest.mark.slow) for callers in ((), *((each,) for each in ALL))),
    ],
)
def test_what_answers_is_imported_for_the_first_callers_who_all_are_answered(
    home: Path, loop: str, callers: tuple[str, ...]
) -> None:
    """Fifteen at once on each socket; on the others somebody calls later."""
    home.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(home), loop, *callers],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{loop} {callers}: the loop was held for {found.pop('longest') * 1000:.0f} ms at most")
    assert found.pop("after") == (
        [] if not callers else ["h11", "secondme.core.api.server", "uvicorn"] if callers == ("webhooks",) else WHOLE
    )
    assert found == {
        "mode": "0o600",
        "token": True,
        "before": [],
        "statuses": [200] if callers else [],
        "again": [200, 200, 200] if callers else [],
        "refused": 401,
        "left": False,
    }
