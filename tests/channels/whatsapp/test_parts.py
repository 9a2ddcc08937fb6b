"""The small parts of the device process, in this process: the ledger, the offers, the spool, the account."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fakes.process import environment

from secondme.channels.whatsapp.account import WhatsAppAccount, erase_account, load_account, read_spool, save_account, write_spool
from secondme.channels.whatsapp.device import receiver
from secondme.channels.whatsapp.device.receiver import Offers, SendLedger
from secondme.channels.whatsapp.failures import banned, failure
from secondme.channels.whatsapp.jids import OwnDevice
from secondme.core.errors import DataError, UnavailableError

ANNA = "4915112345678@c.us"


def test_a_second_call_waits_for_the_first_and_later_ones_get_its_outcome() -> None:
    book = SendLedger()
    assert book.begin("row", ANNA, 1) is True
    assert book.begin("row", ANNA, 2) is False
    assert book.finish("row", {"outcome": "sent", "id": "N"}) == [1, 2]
    assert book.begin("row", ANNA, 3) == {"outcome": "sent", "id": "N"}
    assert book.is_ours("N")


def test_what_did_not_go_out_is_tried_again_and_what_may_have_is_not() -> None:
    book = SendLedger()
    book.begin("row", ANNA, 1)
    book.finish("row", {"outcome": "not_sent", "reason": "x"})
    assert book.begin("row", ANNA, 2) is True
    book.finish("row", {"outcome": "unknown", "reason": "x"})
    assert book.begin("row", ANNA, 3) == {"outcome": "unknown", "reason": "x"}


def test_the_ledger_is_bounded_and_never_forgets_what_is_on_its_way() -> None:
    book = SendLedger()
    book.begin("on its way", ANNA, 1)
    for number in range(receiver._KEPT + 50):
        book.begin(str(number), ANNA, number)
        book.finish(str(number), {"outcome": "sent", "id": f"N{number}"})
    assert len(book._rows) == receiver._KEPT
    assert len(book._ours) == receiver._KEPT
    assert book.begin("on its way", ANNA, 2) is False
    assert book.begin("0", ANNA, 3) is True


def test_judging_an_echo_waits_for_sends_to_that_person_only_and_not_for_ever() -> None:
    book = SendLedger()
    book.begin("row", ANNA, 1)
    book.settle(frozenset({"4917098765432@c.us"}), 60)
    book.settle(frozenset({ANNA}), 0.01)
    threading.Timer(0.05, book.finish, ("row", {"outcome": "sent", "id": "N"})).start()
    book.settle(frozenset({ANNA, "111222333444@lid"}), 60)
    assert book.is_ours("N")
    book.begin("another", ANNA, 2)
    threading.Timer(0.05, book.close).start()
    book.settle(frozenset({ANNA}), 60)


def message(native: str) -> dict[str, str]:
    return {"id": native, "contact": ANNA}


def test_messages_are_offered_one_at_a_time_those_that_were_left_first() -> None:
    handed: list[tuple[int, str]] = []
    offers = Offers(lambda number, found: handed.append((number, found["id"])), [message("old")])
    offering = threading.Thread(target=lambda: (offers.offer_left(), offers.offer(message("new"))))
    offering.start()
    for expected in ("old", "new"):
        while not handed or handed[-1][1] != expected:
            pass
        assert [found["id"] for found in offers.left()][:1] == [expected]
        offers.done(handed[-1][0] + 7)  # nobody's number
        offers.done(handed[-1][0])
    offering.join(10)
    assert offers.left() == []


def test_at_the_end_everything_that_is_not_safe_is_left_in_its_order() -> None:
    handed: list[int] = []
    offers = Offers(lambda number, _: handed.append(number), [message("a"), message("b")])
    waiting = threading.Thread(target=offers.offer_left)
    waiting.start()
    while not handed:
        pass
    offers.close()
    offers.offer(message("c"))
    waiting.join(10)
    offers.done(handed[0])
    assert [found["id"] for found in offers.left()] == ["a", "b", "c"]


def test_a_spooled_message_that_fits_into_no_frame_stands_in_nobodys_way() -> None:
    def refuse(number: int, _: object) -> None:
        if number == 1:
            raise DataError("whatsapp_frame_too_long", "No.")
        offers.done(number)

    offers = Offers(refuse, [message("huge"), message("good")])
    assert offers.offer_left()
    assert offers.left() == []


def test_the_spool_keeps_messages_of_any_text_and_is_private(tmp_path: Path) -> None:
    messages = [{"id": "1", "text": "Grüße \u2028 🌍\n\x00"}, {"id": "2", "text": "x" * 65_536}]
    write_spool(tmp_path, messages)
    assert read_spool(tmp_path) == messages
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600
    write_spool(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_the_account_is_kept_whole_and_private(tmp_path: Path) -> None:
    account = WhatsAppAccount(OwnDevice("4915550000001", "900000000000001", 12, "The owner"), is_logged_out=True)
    assert load_account(tmp_path) is None
    save_account(tmp_path, account)
    assert load_account(tmp_path) == account
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("linked.json", 0o600)]
    erase_account(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"phone": "1", "lid": "", "device": 1, "name": ""}', "\xff", "[" * 100_000]
)
def test_an_account_that_cannot_be_read_is_a_data_error_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "linked.json").write_text(text)
    with pytest.raises(DataError):
        load_account(tmp_path)
    assert (tmp_path / "linked.json").read_text() == text


def test_an_unknown_failure_is_a_crash_and_a_ban_without_an_end_has_none() -> None:
    assert isinstance(failure("whatsapp_something_new"), UnavailableError)
    assert failure("something_new").code == "whatsapp_crashed"
    assert "until" not in banned(None, 0).message


def test_the_loaded_library_has_nothing_that_fetches_an_address_and_writes_no_log() -> None:
    program = (
        "import logging; from secondme.channels.whatsapp.device.library import WhatsAppLibrary; WhatsAppLibrary('secondme'); "
        "import neonize.client as client; print(client.link_preview.__module__); "
        "logging.getLogger('whatsmeow.Client').error('a message'); logging.error('a message')"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, env=environment(), timeout=60
    )
    assert (found.stdout.strip(), found.stderr) == ("secondme.channels.whatsapp.device.library", "")


def test_nothing_of_the_library_is_loaded_into_the_gateway() -> None:
    program = (
        "import sys; import secondme.channels.whatsapp.setup; light = sorted(sys.modules); "
        "import secondme.channels.whatsapp.channel, secondme.channels.whatsapp.setup; "
        "print([name for name in sys.modules if name.split('.')[0] in {'neonize', 'google', 'magic', 'PIL', 'ctypes'}]); "
        "print('asyncio' in light, 'secondme.channels.whatsapp.device' in light)"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, env=environment(), timeout=60
    )
    assert found.stdout.splitlines() == ["[]", "False False"]
