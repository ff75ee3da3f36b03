"""Lists in pages, writes under a version, and requests that may be repeated: what every HTTP API of the suite does
alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel

from .auth import Caller, CurrentCaller
from .problems import Problem

# A place in a sorted list: the sort keys of the last entry seen. Never anything nested, which a database might take
# for an operator.
Position = tuple[str | int | bool | date | datetime | None, ...]
_KEY: Final = re.compile(r"^[\x21-\x7e]{1,255}$")
_ETAG: Final = re.compile(r'^"v(\d{1,18})"$')
_NAMESPACE: Final = uuid.UUID("5c1c3ff4-6a5b-5b0a-9f6e-0d7c1f0a4b11")
_VERSION: Final = 1
_MOST: Final = 2**63  # no database sorts a larger number
Entry = TypeVar("Entry")


class Page(BaseModel, Generic[Entry]):
    """One page of a list; `next` is the cursor of the page after it and absent on the last."""

    items: list[Entry]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Which page is wanted: after which position (None: from the start), and how many entries."""

    after: Position | None
    size: int
    _query: str

    def cursor(self, last: Position | None) -> str | None:
        """The cursor of the page that begins after `last`; None where nothing follows."""
        return None if last is None else write_cursor(last, self._query)


def window(
    request: Request,
    cursor: Annotated[str | None, Query(description="The `next` of the page before.", max_length=2048)] = None,
    limit: Annotated[int | None, Query(description="Entries on the page at most.", ge=1)] = None,
) -> Window:
    """The page a request asks for. Raises Problem 400 for a cursor that is damaged or belongs to another list."""
    settings = request.app.state.settings
    asked = sorted((k, v) for k, v in request.query_params.multi_items() if k not in ("cursor", "limit"))
    query = fingerprint(request.url.path, asked)
    size = min(limit or settings.page_size, settings.page_size_most)
    return Window(read_cursor(cursor, query) if cursor else None, size, query)


# As a parameter of a handler: `page: WantedPage`.
WantedPage = Annotated[Window, Depends(window)]


def write_cursor(position: Position, query: str) -> str:
    """An opaque cursor for `position` in the list that `query` (see `fingerprint`) stands for."""
    text = json.dumps([_VERSION, query, [_tagged(value) for value in position]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def read_cursor(cursor: str, query: str) -> Position:
    """The position in `cursor`: scalars only.

    Raises Problem 400 when it is damaged, of another version or of another list.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        version, of, tagged = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if version != _VERSION or not isinstance(tagged, list):
            raise ValueError("not a cursor of this version")
        position = tuple(_untagged(*entry) for entry in tagged)
    except (ValueError, TypeError, KeyError, binascii.Error) as damaged:
        raise Problem(400, "bad_cursor", "The cursor cannot be read; begin again without one.") from damaged
    if of != query:
        raise Problem(400, "bad_cursor", "The cursor belongs to a list with other filters; begin again without one.")
    return position


def fingerprint(*parts: Any) -> str:
    """A short digest of JSON values, the same in every process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _tagged(value: object) -> list[Any]:
    if isinstance(value, datetime):
        return ["t", value.isoformat()]
    if isinstance(value, date):
        return ["d", value.isoformat()]
    if value is None or isinstance(value, (str, int)):
        return ["", value]
    raise TypeError(f"a {type(value).__name__} cannot be part of a cursor")


def _untagged(tag: str, value: Any) -> str | int | date | datetime | None:
    if tag == "t":
        return datetime.fromisoformat(value)
    if tag == "d":
        return date.fromisoformat(value)
    if tag == "" and (value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < _MOST)):
        return value
    raise ValueError("no part of a cursor")


def etag(version: int) -> str:
    """The entity tag of a thing in that version, for the header `ETag`."""
    return f'"v{version}"'


def wanted_version(if_match: Annotated[str | None, Header(description="The `ETag` you have read.")] = None) -> int:
    """The version that a write expects.

    Raises Problem 428 when the caller names none, 400 when he names no single one.
    """
    if if_match is None or if_match.strip() == "*":
        raise Problem(
            428,
            "version_missing",
            "Say which version you change: read the thing, then send its ETag in the header If-Match.",
        )
    found = _ETAG.match(if_match.strip())
    if found is None:
        raise Problem(400, "bad_version", 'If-Match must hold one ETag as it was read, for instance "v12".')
    return int(found[1])


# As a parameter of a handler that changes something: `version: WantedVersion`.
WantedVersion = Annotated[int, Depends(wanted_version)]


def stale(current: int) -> Problem:
    """412: somebody else was quicker."""
    return Problem(
        412,
        "version_stale",
        "It has changed since you read it; read it again and send your change with the new ETag.",
        headers={"ETag": etag(current)},
    )


@dataclass(frozen=True, slots=True)
class Once:
    """A request that counts once: `event_id` is the same for every repeat, `content` tells a repeat from another
    request under the same key.
    """

    event_id: str
    content: str


async def once(
    request: Request,
    caller: CurrentCaller,
    idempotency_key: Annotated[
        str | None, Header(description="Any name of this request; repeats under the same name count once.")
    ] = None,
) -> Once:
    """What makes this request the same as its repeats. Raises Problem 400 for a key that is none.

    Without a key each request is its own.
    """
    content = fingerprint(request.method, request.url.path, hashlib.sha256(await request.body()).hexdigest())
    if idempotency_key is None:
        return Once(str(uuid.uuid4()), content)
    return Once(event_id_from(idempotency_key, caller), content)


# As a parameter of a handler that changes something: `once: CountsOnce`.
CountsOnce = Annotated[Once, Depends(once)]


def event_id_from(key: str, caller: Caller) -> str:
    """The id of the event that a request under `key` becomes: two callers' keys never meet.

    Raises Problem 400 for a key that is none.
    """
    if not _KEY.match(key):
        raise Problem(
            400, "bad_idempotency_key", "Idempotency-Key holds 1 to 255 visible ASCII characters; a UUID will do."
        )
    return str(uuid.uuid5(_NAMESPACE, json.dumps([caller.subject, key])))


def reused_key() -> Problem:
    """422: the key was used for another request, which has been carried out."""
    return Problem(
        422,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request, which was carried out; send this one under a new key.",
    )
