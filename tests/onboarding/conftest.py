"""A model's server that offers three models and takes one key."""

from collections.abc import Iterator

import pytest
from fakes.messages_api import MessagesApi
from fakes.wizard import model_server


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with model_server() as server:
        yield server
