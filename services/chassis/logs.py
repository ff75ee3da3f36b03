"""Log lines: one JSON object a line, tied to its trace and its event, without personal data.

Every line of the process passes here, those of libraries too. What could be personal is masked by key and by shape, so
that a careless line is not a leak; ids of parties are not personal and stay.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

import structlog
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

MASK: Final = "***"
_DEEPEST: Final = 6
PERSONAL: Final = frozenset(
    (
        *("name", "full_name", "first_name", "last_name", "display_name", "customer_name", "contact_name", "title"),
        *("mail", "email", "e_mail", "mailbox", "recipient", "recipients", "phone", "mobile", "telephone", "fax"),
        *("address", "street", "postcode", "birthday", "birth_date", "birthplace", "native_place", "ethnicity"),
        *("family", "personality", "temper", "interests", "identity_number", "text", "note", "notes", "comment"),
        *("comments", "answer", "content", "body", "data", "payload", "subject_line"),
    )
)
SECRET: Final = frozenset(
    {"password", "secret", "token", "authorization", "cookie", "api_key", "private_key", "credentials", "mongo_uri"}
)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_NUMBERS = re.compile(r"(?<![\w.-])(?:\+\d{1,3}[ -]?)?(?:1[3-9]\d{9}|\d{17}[\dXx])(?![\w.])")
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")


def log(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one part of the process; it may be taken at import, before `configure`."""
    return structlog.stdlib.get_logger(name)


def configure(service: str, *, level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Sends every line of the process to `stream` (standard error if absent).

    `form` is `json`, `console`, or `auto`: console in a terminal. May be called again: the last call holds.
    """
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    shared = _shared_processors(service)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their info lines tell nothing that the metrics do not; uvicorn's access lines hold query strings, maybe personal.
    for noisy in ("aiokafka", "pymongo", "httpx", "httpcore", "uvicorn.access", "faststream"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for own_handlers in ("uvicorn", "uvicorn.error"):
        logging.getLogger(own_handlers).handlers.clear()
        logging.getLogger(own_handlers).propagate = True
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _shared_processors(service: str) -> list[Processor]:
    def add_service(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        line.setdefault("service", service)
        return line

    return [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]


def mask(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Masks what stands under personal and secret keys at any depth, and what looks personal or secret in any text."""
    return cast("EventDict", _masked(line))


def _masked(value: object, depth: int = 0) -> object:
    if isinstance(value, MutableMapping):
        return {
            key: MASK if _is_private(key) and inner is not None else _inner(inner, depth)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_inner(inner, depth) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    # An event, a model or a record would be rendered with all its fields.
    bare = isinstance(value, (bytes, BaseModel)) or type(value).__str__ is object.__str__
    return f"<{type(value).__name__}>" if bare and not isinstance(value, BaseException) else masked_text(str(value))


def _inner(value: object, depth: int) -> object:
    return MASK if depth >= _DEEPEST else _masked(value, depth + 1)


def _is_private(key: object) -> bool:
    return isinstance(key, str) and (key.lower() in PERSONAL or key.lower() in SECRET)


def masked_text(text: str) -> str:
    """`text` without mail addresses, mobile and identity numbers, and credentials inside addresses."""
    text = _CREDENTIALS.sub(f"{MASK}@", text)
    return _NUMBERS.sub(MASK, _MAIL.sub(MASK, text))


@contextmanager
def about(*, event_id: str | None = None, traceparent: str | None = None, **more: str | int) -> Iterator[None]:
    """Lines logged inside carry `event_id`, the trace's id and whatever else is given.

    It costs some microseconds: for a batch or a failure, not for every event.
    """
    values: dict[str, Any] = dict(more)
    if event_id is not None:
        values["event_id"] = event_id
    if (trace := trace_id(traceparent)) is not None:
        values["trace_id"] = trace
    with bound_contextvars(**values):
        yield


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id out of a W3C `traceparent`; None where there is none or it is not well formed."""
    found = _TRACEPARENT.match(traceparent) if traceparent else None
    return found[1] if found and set(found[1]) != {"0"} else None


def traceparent_under(parent: str | None) -> str:
    """A `traceparent` for what `parent` causes: the same trace with a new span, or a new trace where there is none."""
    return f"00-{trace_id(parent) or secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
