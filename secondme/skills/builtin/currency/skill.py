"""Money in another currency, by the daily reference rates of the European Central Bank, asked for once a day."""

import json
from decimal import Decimal

SOURCE = "European Central Bank, by frankfurter.dev"


def convert(given, ask):
    source, target = given["from"].upper(), given["to"].upper()
    found = _rates(ask)
    rates = {**found["rates"], "EUR": 1}
    for code in (source, target):
        if code not in rates:
            raise SkillError("unknown_currency", "There is no daily rate of the European Central Bank for it.")
    amount = Decimal(str(given["amount"]))
    result = (amount * Decimal(str(rates[target])) / Decimal(str(rates[source]))).quantize(Decimal("0.01"))
    return {
        "text": f"{amount} {source} = {result} {target}",
        "data": {"amount": float(result), "currency": target},
        "as_of": found["date"],
        "source": SOURCE,
    }


def _rates(ask):
    """What a euro is in each currency: as it was fetched today, else fetched now."""
    today = ask.now.date().isoformat()
    kept = ask("kv_get", key="rates")
    if kept and kept["fetched"] == today:
        return kept
    try:
        answer = ask("http", url="https://api.frankfurter.dev/v1/latest?base=EUR")
    except AskError as error:
        raise SkillError("unavailable", f"frankfurter.dev cannot be asked ({error.code}).") from None
    if answer["status"] != 200:
        raise SkillError("unavailable", f"frankfurter.dev answers {answer['status']}.")
    try:
        found = json.loads(answer["text"])
        rates = {code: float(rate) for code, rate in found["rates"].items() if len(code) == 3 and 0 < rate < 1e9}
        fresh = {"fetched": today, "date": str(found["date"])[:10], "rates": rates}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SkillError("unreadable", "frankfurter.dev answers what is no list of rates.") from None
    try:
        ask("kv_set", key="rates", value=fresh)
    except AskError:
        return fresh  # it is full: they are fetched again next time
    return fresh
