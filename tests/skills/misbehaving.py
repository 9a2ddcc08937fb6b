"""A skill that does everything wrong, one way a function. Its connection is descriptor 3, as it can find out."""

# ruff: noqa: A002, ANN001, ANN201, ARG001, F821  written as a stranger would

import ctypes
import json
import os
import re
import signal
import threading
import time


def say(line):
    os.write(3, line)


def spin(input, ask):
    while True:
        pass


def regex_bomb(input, ask):
    return re.match(r"(a+)+$", "a" * 40 + "b")


def threads_that_spin(input, ask):
    for _ in range(8):
        threading.Thread(target=spin, args=(0, 0), daemon=True).start()
    time.sleep(60)


def stops_itself(input, ask):
    os.kill(os.getpid(), signal.SIGSTOP)


def ignores_signals(input, ask):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    time.sleep(60)


def never_returns(input, ask):
    time.sleep(60)


def closes_its_connection(input, ask):
    os.close(3)
    time.sleep(60)


def floods_with_questions(input, ask):
    while True:
        say(b'{"ask": 1, "op": "kv"}\n' * 100)


def asks_for_ever(input, ask):
    while True:
        ask("kv", key="x")


def endless_line(input, ask):
    while True:
        say(b"x" * 65536)


def huge_result(input, ask):
    return "x" * 1_000_000


def many_lines(input, ask):
    while True:
        ask("kv", key="x" * 100_000)


def brackets(input, ask):
    say(b'{"result":' + b"[" * 200_000)
    time.sleep(60)


def deep(input, ask):
    say(b'{"result":' + b"[" * 3000 + b"]" * 3000 + b"}\n")
    time.sleep(60)


def deep_behind_a_string(input, ask):
    say(b'{"a": "' + b"]" * 3000 + b'", "result":' + b"[" * 3000 + b"]" * 3000 + b"}\n")
    time.sleep(60)


def open_strings(input, ask):
    say(b'{"result": "' + b'\\"' * 60_000 + b"\n")
    time.sleep(60)


def not_a_number(input, ask):
    say(b'{"result": NaN}\n')
    time.sleep(60)


def infinite(input, ask):
    say(b'{"result": 1e999}\n')
    time.sleep(60)


def half_a_character(input, ask):
    return "\ud800"


def bad_utf8(input, ask):
    say(b'{"result": "\xff\xfe"}\n')
    time.sleep(60)


def long_number(input, ask):
    say(b'{"result": ' + b"9" * 100_000 + b"}\n")
    time.sleep(60)


def no_object(input, ask):
    say(b"[1]\n")
    time.sleep(60)


def two_things_at_once(input, ask):
    say(b'{"result": 1, "error": "x"}\n')
    time.sleep(60)


def two_answers(input, ask):
    say(b'{"result": "first"}\n{"result": "second"}\n')
    time.sleep(60)


def answers_and_stays(input, ask):
    say(b'{"result": "done"}\n')
    time.sleep(60)


def ends(input, ask):
    os._exit(3)


def crashes(input, ask):
    ctypes.string_at(0)


def exits(input, ask):
    raise SystemExit("bye")


def takes_all_memory(input, ask):
    return [bytearray(b"x" * (1 << 24)) for _ in range(64)]


def prints_a_lot(input, ask):
    for _ in range(10_000):
        print("x" * 100)
    return "printed into nothing"


def forges_its_answer(input, ask):
    json.dumps = lambda *_, **__: '{"result": "forged"}'
    return "x"


def claims_a_code_of_ours(input, ask):
    raise SkillError("timed_out")


def no_json(input, ask):
    return {1, 2}


def recurses(input, ask):
    return recurses(input, ask)
