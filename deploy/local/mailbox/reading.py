"""Bytes of a mail into what a person reads. A program under test sends anything: nothing raises."""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default

_FOLD = re.compile(r"\r?\n(?=[ \t])")
# What the standard library's parser is known to raise on headers and bodies that break their own rules.
UNREADABLE = (MessageError, LookupError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail taken apart. `text` and `html` are empty where it has no such part; `attachments` are file names."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    attachments: tuple[str, ...]


def read_header(raw: bytes, *names: str) -> tuple[str, ...]:
    """The headers named (in lower case) only, "" where absent: much less work than taking the body apart."""
    # The parser would go through the body too, line by line.
    head, _, _ = raw.partition(b"\r\n\r\n")
    message = BytesHeaderParser(_class=EmailMessage, policy=default).parsebytes(head)
    found: dict[str, str] = {}
    for key, value in message.raw_items():
        if key.lower() in names:
            found.setdefault(key.lower(), _header(value))
    return tuple(found.get(name, "") for name in names)


def read(raw: bytes) -> Letter:
    message = message_from_bytes(raw, _class=EmailMessage, policy=default)
    headers = tuple((clean(name), _header(value)) for name, value in message.raw_items())
    return Letter(
        headers=headers, text=_body(message, "plain"), html=_body(message, "html"), attachments=_names(message)
    )


def clean(text: str) -> str:
    """Lone surrogates stand for undecodable bytes; neither SQLite nor a web page takes them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _header(value: str) -> str:
    # Not by the policy: its parser of names keeps the blank that RFC 2047 puts between two encoded words.
    text = _FOLD.sub("", value).strip().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return clean(str(make_header(decode_header(text)))) if "=?" in text else text
    except UNREADABLE:
        return text


def _body(message: EmailMessage, kind: str) -> str:
    try:
        part = message.get_body((kind,))
    except UNREADABLE:
        return ""
    if part is None:
        return ""
    try:
        return _lines(str(part.get_content()))
    except UNREADABLE:
        payload = part.get_payload(decode=True)
        return _lines(payload.decode("utf-8", "replace")) if isinstance(payload, bytes) else ""


def _lines(text: str) -> str:
    return clean(text).replace("\r\n", "\n")


def _names(message: EmailMessage) -> tuple[str, ...]:
    try:
        return tuple(clean(part.get_filename() or part.get_content_type()) for part in message.iter_attachments())
    except UNREADABLE:
        return ()
