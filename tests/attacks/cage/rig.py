"""A gateway with things to steal, and every attack on it: bare, and from within the sandbox. `rig.py ORDERS`; prints what came of each.

A process of its own, because it gives up its user and its system calls where it is told to, and cannot have them back.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401  it and the next are imported late, when the user may not read them any more
import contextlib
import ctypes
import encodings.idna  # noqa: F401
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attacks

from secondme.core.clock import SystemClock
from secondme.skills.mcp.confined import ConfinedProcess, Launch, find_bubblewrap
from secondme.skills.sandbox import cage, filters
from secondme.skills.sandbox.sandbox import Returned, Sandbox, SandboxCall
from secondme.skills.sandbox.zygote_process import Preload

CODE = Path(attacks.__file__).read_bytes()
BARE_S = 10.0
ONE_ATTACK = """
import json, sys
sys.path.append(sys.argv[1])
import attacks
print(json.dumps(attacks.outcome(**json.loads(sys.stdin.readline()))), flush=True)
sys.stdin.read()
"""
"""What a program of somebody else's does: it waits for the end that the gateway gives it."""
SECRETS: dict[str, Any] = {"secret_of_parent": "CANARY_MEM", "kept_by_the_collector": []}
_UNSHARE, _SETNS, _MOUNT, _UMOUNT, _PIVOT_ROOT, _CLONE, _CLONE3 = 272, 308, 165, 166, 155, 56, 435
Outcomes = dict[str, dict[str, Any]]


def docker_filter() -> bytes:
    """What Docker's default profile refuses a process without capabilities, and what matters here: namespaces, mounts, io_uring, bpf, perf,
    userfaultfd (moby, profiles/seccomp/default.json)."""
    refused = [filters._result(filters._EPERM)]
    cases = dict.fromkeys((_UNSHARE, _SETNS, _MOUNT, _UMOUNT, _PIVOT_ROOT, 425, 426, 427, 321, 298, 323), refused)
    no_namespace = filters._instruction(filters._ANY_BIT, filters._CLONE_NAMESPACES, 0, 1)
    cases[_CLONE] = [filters._argument(0), no_namespace, *refused, filters._result(filters._ALLOW)]
    cases[_CLONE3] = [filters._result(filters._ENOSYS)]
    return filters._prologue("x86_64") + filters._cases(cases) + filters._result(filters._ALLOW)


def become(uid: int) -> None:
    """Somebody else, whose processes can be looked into as those of any user."""
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        cage._prctl(cage._PR_SET_DUMPABLE, 1)


def lay_out(place: dict[str, Any]) -> None:
    """The victim's files, as they were at first."""
    shutil.rmtree(place["own"], ignore_errors=True)
    if Path(place["data"]).exists():
        Path(place["data"]).chmod(0o700)
    for folder in (f"{place['home']}/.ssh", place["data"], place["skill"], place["own"], place["scratch"]):
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {
        f"{place['home']}/.ssh/id_canary": "CANARY_SSH",
        f"{place['home']}/.bashrc": "",
        f"{place['data']}/appendonly.aof": "CANARY_AOF",
        f"{place['data']}/.env": "KEY=CANARY_KEY",
        f"{place['skill']}/skill.py": "pass\n",
    }
    for path, text in texts.items():
        Path(path).write_text(text)
        Path(path).chmod(0o600)


def be_gateway(place: dict[str, Any], tell: int) -> None:
    """Serve on every kind of socket, hold a secret in memory, and never end by itself."""
    cage.die_with_parent(place["rig"])
    secret = ctypes.create_string_buffer(b"CANARY_VM")
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    streams, datagrams = [tcp], [udp]
    for address in (f"{place['data']}/store.sock", f"\0{place['abstract']}"):
        streams.append(socket.socket(socket.AF_UNIX))
        streams[-1].bind(address)
        streams[-1].listen()
    for address in (f"{place['data']}/log.sock", f"\0{place['abstract']}-dgram"):
        datagrams.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        datagrams[-1].bind(address)
    for serve, sockets in ((answer_stream, streams), (answer_datagram, datagrams)):
        for each in sockets:
            threading.Thread(target=serve, args=(each,), daemon=True).start()
    ports = {"tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1], "address": ctypes.addressof(secret)}
    os.write(tell, json.dumps(ports).encode())
    while True:
        signal.pause()


def answer_stream(server: socket.socket) -> None:
    while True:
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.recv(64)
            connection.sendall(b"PONG CANARY")


def answer_datagram(server: socket.socket) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, sender = server.recvfrom(100)
            if sender:  # one end of a pair has no name
                server.sendto(b"PONG CANARY", sender)


def fork(run: Callable[[], object]) -> int:
    process = os.fork()
    if process == 0:
        try:
            run()
        finally:
            os._exit(0)
    return process


def be_victim(rig: int) -> None:
    cage.die_with_parent(rig)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    while True:
        signal.pause()


def end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def bare(name: str, place: dict[str, Any]) -> dict[str, Any]:
    """As a child of the gateway's that nothing confines: with its memory, its environment and its descriptors."""
    heard, say = os.pipe()
    process = fork(lambda: os.write(say, json.dumps(attacks.outcome(name, place)).encode()))
    os.close(say)
    readable, _, _ = select.select([heard], [], [], BARE_S)
    said = os.read(heard, 65_536) if readable else b""
    end(process)
    os.close(heard)
    return json.loads(said) if said else {"ok": False, "say": "ended"}


async def confined(names: list[str], place: dict[str, Any], python: str, *, with_landlock: bool) -> Outcomes:
    """As calls of one skill."""
    sandbox = Sandbox(SystemClock(), python=python, preload=Preload(attacks.MODULES), with_landlock=with_landlock)
    outcomes: Outcomes = {}
    try:
        for name in names:
            call = SandboxCall("evil", CODE, "attack", {"name": name, "place": place}, {}, "2026-11-29T10:00:00Z", "UTC")
            result = await sandbox.call(call, refuse)
            outcomes[name] = result.value if isinstance(result, Returned) else {"ok": False, "say": result.code}
            judge(name, outcomes[name], place)
    finally:
        await sandbox.close()
    return outcomes


async def in_bubblewrap(names: list[str], place: dict[str, Any], folder: str) -> Outcomes:
    """As programs of others, which read `folder`, where the attacks are. Empty where bubblewrap does not start."""
    bubblewrap, outcomes = find_bubblewrap(), Outcomes()
    if bubblewrap.why_not:
        return outcomes
    for name in names:
        launch = Launch(("/usr/bin/python3", "-I", "-c", ONE_ATTACK, folder), (folder,))
        process = ConfinedProcess.start(launch, bubblewrap, SystemClock())
        try:
            outcomes[name] = await ask_once(process.connection, {"name": name, "place": place})
        finally:
            await process.stop()
        judge(name, outcomes[name], place)
    return outcomes


async def ask_once(connection: socket.socket, order: dict[str, Any]) -> dict[str, Any]:
    loop, said = asyncio.get_running_loop(), b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(BARE_S):
            await loop.sock_sendall(connection, json.dumps(order).encode() + b"\n")
            while not said.endswith(b"\n") and (more := await loop.sock_recv(connection, 65_536)):
                said += more
    return json.loads(said) if said.endswith(b"\n") else {"ok": False, "say": "ended"}


async def refuse(_: dict[str, Any]) -> dict[str, Any]:
    return {"error": "not_allowed"}


def judge(name: str, result: dict[str, Any], place: dict[str, Any]) -> None:
    """What only the outside can tell: whether a daemon lives on after the call. It is ended."""
    path = Path(place["scratch"], "survivor")
    if name == "survivor" and path.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.read_text()), signal.SIGKILL)
            result["ok"] = True
        path.unlink()


@contextlib.contextmanager
def rigged(uid: int) -> Iterator[dict[str, Any]]:
    """The place, with its gateway and its victim."""
    base = tempfile.mkdtemp(prefix="sm-rig-", dir="/tmp")
    place: dict[str, Any] = {name: f"{base}/{name}" for name in ("home", "data", "skill", "own", "scratch")}
    place |= {"rig": os.getpid(), "abstract": Path(base).name, "hostname": socket.gethostname(), "uid": uid}
    lay_out(place)
    heard, tell = os.pipe()
    place["gateway"] = fork(lambda: be_gateway(place, tell))
    place["victim"] = fork(lambda: be_victim(place["rig"]))
    place |= json.loads(os.read(heard, 1000))
    try:
        yield place
    finally:
        end(place["gateway"])
        end(place["victim"])
        shutil.rmtree(base)


def hold_secrets(place: dict[str, Any]) -> None:
    """A descriptor that is inherited, and a key in a keyring of this session, which ends with it."""
    descriptor = os.open(f"{place['data']}/descriptor", os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"CANARY_FD")
    os.set_inheritable(descriptor, True)  # noqa: FBT003  positional only
    cage._syscall(250, ctypes.c_long(1), None)
    cage._syscall(248, b"user", b"secondme_canary", b"CANARY", ctypes.c_long(6), ctypes.c_long(-3))


def main(uid: int, python: str, modes: list[str], *, in_docker: bool) -> dict[str, Outcomes]:
    become(uid)
    if in_docker:
        cage.load_filter(docker_filter())
    results: dict[str, Outcomes] = {}
    names = list(attacks.ATTACKS)
    with rigged(uid) as place:
        hold_secrets(place)
        for mode in modes:
            if mode == "none":
                results[mode] = {}
                for name in names:
                    results[mode][name] = bare(name, place)
                    judge(name, results[mode][name], place)
                    lay_out(place)
            elif mode == "bubblewrap":
                with tempfile.TemporaryDirectory(prefix="sm-attacks-", dir="/tmp") as folder:
                    Path(folder, "attacks.py").write_bytes(CODE)
                    results[mode] = asyncio.run(in_bubblewrap(names, place, folder))
            else:
                results[mode] = asyncio.run(confined(names, place, python, with_landlock=mode == "landlock"))
    return results


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
