"""Day first or month first? The whole file decides, and says by what."""

from pathlib import Path

import pytest
from remember.exports.chats import read

from secondme.core.errors import DataError


def decided(folder: Path, form: str, *dates: str) -> tuple[str, str, list[str]]:
    """The order, what decided, and the days of a chat with these dates."""
    done = read(folder, "\n".join(form.format(date, author) for date, author in zip(dates, "ABABABABAB", strict=False)))
    return done.export.order, done.export.reason, [f"{each.at:%Y-%m-%d}" for each in done.messages]


ANDROID, AMERICAN, IOS = "{}, 10:00 - {}: x", "{}, 8:03 AM - {}: x", "[{}, 10:00:00] {}: x"


@pytest.mark.parametrize(
    ("form", "dates", "order", "reason", "first"),
    [
        (ANDROID, "05/06/24|06/05/24|06/07/24", "mdy", "sequence", "2024-05-06"),
        (ANDROID, "06/05/24|05/06/24|07/06/24", "dmy", "sequence", "2024-05-06"),
        (ANDROID, "02/03/24|13/03/24", "dmy", "values", "2024-03-02"),
        (ANDROID, "02/03/24|03/13/24", "mdy", "values", "2024-02-03"),
        (ANDROID, "05/06/24|05/07/24|05/08/24", "mdy", "guess", "2024-05-06"),
        (ANDROID, "06/05/24|07/05/24|08/05/24", "dmy", "guess", "2024-05-06"),
        (ANDROID, "05/06/24", "dmy", "guess", "2024-06-05"),
        (AMERICAN, "5/6/24", "mdy", "guess", "2024-05-06"),
        (AMERICAN, "5/6/2024", "dmy", "guess", "2024-06-05"),
        (ANDROID, "05.06.24", "dmy", "dialect", "2024-06-05"),
        (ANDROID, "2024-05-06", "ymd", "dialect", "2024-05-06"),
        (ANDROID, "24-12-31|25-01-01", "ymd", "values", "2024-12-31"),
        (IOS, "23. 12. 31.|24. 1. 2.", "ymd", "values", "2023-12-31"),
        (IOS, "23. 1. 2.", "ymd", "dialect", "2023-01-02"),
        (IOS, "05/06/2024", "dmy", "guess", "2024-06-05"),
        (ANDROID, "12/10/26|12/11/26", "dmy", "values", "2026-10-12"),
    ],
)
def test_the_whole_file_decides(form: str, dates: str, order: str, reason: str, first: str, tmp_path: Path) -> None:
    each = dates.split("|")
    assert decided(tmp_path, form, *each)[:2] == (order, reason)
    assert decided(tmp_path, form, *each)[2][0] == first


def test_one_quoted_date_does_not_turn_a_year_around(tmp_path: Path) -> None:
    dates = [f"{day:02}/{month:02}/24" for month in range(1, 12) for day in (1, 9)]
    text = "\n".join(f"{date}, 10:00 - {'AB'[n % 2]}: x" for n, date in enumerate([*dates[:5], "12/31/23", *dates[5:]]))
    assert read(tmp_path, text).export.order == "dmy"


def test_a_day_that_is_none_begins_no_message(tmp_path: Path) -> None:
    done = read(tmp_path, "30.12.21, 20:03 - Anna: look:\n31.02.21, 10:00 - Sam: never\n30.12.21, 20:04 - Sam: ok\n")
    assert [author for _, author, _ in done.facts] == ["Anna", "Sam"]
    assert done.is_accounted_for


def test_another_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, "1402/10/10, 20:03 - Anna: salam\n")
    assert refused.value.code == "no_messages"
    assert "calendar" in refused.value.fix
