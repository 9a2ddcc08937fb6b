"""A CalDAV server on this machine: Radicale, over a socket, with one user and one calendar."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
from radicale import config
from radicale.app import Application

USER, PASSWORD = "sam", "zqpasswordzq"


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def caldav_server(folder: Path) -> Iterator[str]:
    """The address of the calendar, which is empty."""
    (folder / "kept" / "collection-root").mkdir(parents=True)
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n")
    settings = config.load()
    settings.update(
        {
            "auth": {"type": "htpasswd", "htpasswd_filename": str(folder / "users"), "htpasswd_encryption": "plain", "delay": "0"},
            "storage": {"filesystem_folder": str(folder / "kept")},
            "logging": {"level": "critical"},
        },
        "test",
    )
    server = make_server("127.0.0.1", 0, Application(settings), handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/{USER}/home/"
        assert httpx.request("MKCALENDAR", url, auth=(USER, PASSWORD)).status_code == 201
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
