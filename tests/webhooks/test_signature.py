"""Is what we sign what Standard Webhooks says, and what its own library accepts?"""

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from secondme.core.webhooks.signature import new_secret, signed_headers

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
PIECES = ("whsec_", "MfKQ9r8GKY", "qrTwjUPD8I", "LPZIo2LaLaSw")


def test_the_reference_vector_is_signed_as_the_specification_says() -> None:
    assert signed_headers(["".join(PIECES)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_reference_library_accepts_it_with_either_secret_and_no_other() -> None:
    now, body = int(datetime.now(UTC).timestamp()), b'{"type":"test"}'
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", now, body)
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers) == {"type": "test"}
    for secret, said in ((new_secret(), body), (new, body + b" ")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(said, headers)


def test_a_secret_has_256_random_bits() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.b64decode(each.removeprefix("whsec_"))) for each in secrets} == {32}


def test_the_lines_of_the_page_tell_what_is_genuine() -> None:
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if "def is_genuine" in each)
    names: dict[str, Any] = {}
    exec(code, names)
    now, body = int(datetime.now(UTC).timestamp()), b'{"type":"test"}'
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], "msg_1", now, body)
    assert names["is_genuine"](old, headers, body)
    assert names["is_genuine"](new, headers, body)
    assert not names["is_genuine"](new_secret(), headers, body)
    assert not names["is_genuine"](new, headers, body + b" ")
    assert not names["is_genuine"](new, signed_headers([new], "msg_1", now - 600, body), body)
