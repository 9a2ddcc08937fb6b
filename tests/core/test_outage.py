"""A trouble that lasts is written down once, and so is its end."""

import pytest

from secondme.core.log import OutageLog, get_logger


def test_a_trouble_is_written_when_it_begins_changes_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    outage = OutageLog(get_logger("secondme.test"), "queue")
    outage.is_over()
    for code in ("store_disk_full",) * 1000 + ("store_unreachable",) * 1000:
        outage.goes_on(code)
    outage.is_over()
    outage.is_over()
    outage.goes_on("store_unreachable")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "queue_unavailable"),
        ("WARNING", "queue_unavailable"),
        ("INFO", "queue_available"),
        ("WARNING", "queue_unavailable"),
    ]
