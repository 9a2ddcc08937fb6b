"""What do all routes share? How they reach what they may do, what a name in a path may be, and which refusals are documented."""

import json
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from starlette.responses import JSONResponse

from secondme.core.api.powers import Powers
from secondme.core.api.shapes import Problem
from secondme.core.errors import NotFoundError
from secondme.core.ids import is_contact_id

_EVERYBODY = "ALL"
"""No contact: the store's word for everybody, which would make one contact's route decide about all."""
_ANY = {
    401: "The token is missing or wrong (TCP only).",
    403: "The Host or the Origin is not ours.",
    408: "The request did not arrive within 10 seconds.",
    413: "The body is larger than 3 MB.",
    422: "The request does not fit its description.",
    429: "Too many wrong tokens within a minute.",
    500: "A bug of ours, or a record that cannot be read.",
    503: "The store does not answer, or there are too many connections.",
    504: "The answer took longer than 10 seconds; what was begun may have been done.",
}
_SOME = {
    404: "There is nothing and nobody of this name.",
    409: "Another decision stands against it.",
}


class Ascii(JSONResponse):
    """JSON in ASCII: whatever a stranger calls itself, a terminal that shows the answer obeys none of it."""

    def render(self, content: Any) -> bytes:  # whatever is JSON
        """The body."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def answers(*more: int) -> dict[int | str, dict[str, Any]]:  # the framework's type
    """The refusals of a route: those that every one has, and `more` of 404 and 409."""
    texts = {**_ANY, **{status: _SOME[status] for status in more}}
    return {status: {"model": Problem, "description": text} for status, text in sorted(texts.items())}


async def powers_of(request: Request) -> Powers:
    """What the routes may do."""
    powers: Powers = request.app.state.powers
    return powers


async def known_form(
    contact: Annotated[
        str,
        Path(
            description="A contact's id, percent-encoded.",
            openapi_examples={"WhatsApp": {"value": "491512345678@c.us"}},
        ),
    ],
) -> str:
    """The name in the path. Raises NotFoundError when nothing can be called so."""
    if not is_contact_id(contact) or contact == _EVERYBODY:
        raise NotFoundError("unknown_contact", "There is no such contact.")
    return contact


Can = Annotated[Powers, Depends(powers_of)]
Named = Annotated[str, Depends(known_form)]
