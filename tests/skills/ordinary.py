"""A skill that does what skills do, as it is meant to be."""

# ruff: noqa: A002, ANN001, ANN201, ARG001, DTZ007, F821, ICN001  written as its author would

import base64
import csv
import dataclasses
import datetime
import decimal
import hashlib
import html.parser
import io
import json
import random
import re
import secrets
import statistics
import threading
import time
import unicodedata
import urllib.parse
import xml.etree.ElementTree as ET
import zoneinfo


@dataclasses.dataclass
class Parcel:
    number: str
    weight: "decimal.Decimal"


def work(input, ask):
    lock = threading.Lock()
    with lock:  # a thread is nothing that a skill can start; what locks works
        results = [number * number for number in (0, 1, 2)]
    time.sleep(0.001)
    print("nobody reads this")
    winter = datetime.datetime(2026, 12, 1, 9, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    return {
        "squares": results,
        "decimal": str(Parcel("1", decimal.Decimal("0.1") * 3).weight),
        "hash": hashlib.sha256(b"a").hexdigest()[:8],
        "csv": next(csv.reader(io.StringIO("a,b"))),
        "xml": ET.fromstring("<a><b/></a>")[0].tag,
        "mean": statistics.mean([1, 2, 3]),
        "re": re.findall(r"\d+", "1 and 22"),
        "base64": base64.b64encode(b"x").decode(),
        "name": unicodedata.name("é"),
        "url": urllib.parse.quote("a b"),
        "text": html.unescape("&amp;"),
        "idna": "bücher.example".encode("idna").decode(),
        "chance": 0 <= random.random() < 1 and len(secrets.token_hex(4)) == 8,
        "parsed": datetime.datetime.strptime("2026-12-24", "%Y-%m-%d").day,
        "utc": winter.astimezone(datetime.UTC).hour,
        "json": json.loads('{"a": [1.5]}')["a"],
    }


def told(input, ask):
    return {"config": ask.config, "now": ask.now.isoformat(), "zone": ask.zone, "input": input}


def asks(input, ask):
    return [ask("http", url="https://parcel.example"), ask("kv", key="x")]


def refused(input, ask):
    try:
        return ask("http", url="https://evil.example")
    except AskError as error:
        return error.code


def fails(input, ask):
    raise SkillError("no_parcel", "There is\nno such parcel.\x1b[31m" + "x" * 1000)


def breaks(input, ask):
    raise LookupError("with a secret in it")


def remembers(input, ask):
    seen = globals().setdefault("SEEN", [])
    json.SEEN = seen = getattr(json, "SEEN", seen)
    before = list(seen)
    seen.append(input["contact"])
    return [ask("kv", contact=input["contact"])["contact"], before]


VALUE = 7
