"""The parts of a mail and the words of its head, as Python's `email` writes them under its older policy: the newer one
parses every header it writes, and takes four times as long for the same mail.
"""

from __future__ import annotations

import secrets
from email.header import Header
from email.message import Message
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import quote
from typing import Final

LINE: Final = 998  # characters, without its end
LINE_OF_WORDS: Final = 76  # of a header that holds encoded words (RFC 2047, 2)
NEW_LINE: Final = "\r\n"
WIRE: Final = compat32.clone(linesep=NEW_LINE)


def together(kind: str, *parts: Message, **params: str) -> MIMEMultipart:
    """Several parts as one of the subtype `kind`, with a boundary that nobody can foresee: the library would look for
    one of its own in all parts, by a pattern that it compiles anew for each mail.
    """
    boundary = f"=_{secrets.token_hex(16)}"
    return MIMEMultipart(kind, boundary, parts, policy=WIRE, **params)


def words(text: str, name: str) -> str:
    """The words of the header `name`, which are one line, encoded where they need it (RFC 2047) and folded.

    By the older email.header, though it writes a line one longer than it is told: EmailMessage loses the space where it
    folds between words of two scripts.
    """
    charset = "us-ascii" if text.isascii() and "=?" not in text else "utf-8"
    return Header(text, charset, LINE_OF_WORDS - 1, name).encode(linesep=NEW_LINE)


def person(name: str, address: str) -> str:
    """Somebody for From or To. `name` is one line and may be empty."""
    if not name:
        return address
    if name.isascii() and "=?" not in name:
        return f'"{quote(name)}" <{address}>'
    said = words(name, "From")
    room = LINE_OF_WORDS - len(f"From: {said}".rpartition(NEW_LINE)[2])
    return f"{said}{'' if len(address) + 3 <= room else NEW_LINE} <{address}>"


def words_of(text: str, subtype: str) -> MIMEText:
    """A part in the encoding that every server takes: as it is where it is ASCII in lines that each must take (RFC
    5321, 4.5.3.1.6), else base64: quoted-printable would write a Chinese mail three times as long.
    """
    lines = text.splitlines()
    if text.isascii() and max(map(len, lines), default=0) <= LINE:
        return MIMEText(text, subtype, "us-ascii", policy=WIRE)
    return MIMEText(NEW_LINE.join([*lines, ""]), subtype, "utf-8", policy=WIRE)


def inline(name: str, png: bytes) -> MIMEImage:
    """A PNG that the HTML beside it shows by `cid:name`."""
    part = MIMEImage(png, "png", policy=WIRE)
    part["Content-ID"] = f"<{name}>"
    part.add_header("Content-Disposition", "inline", filename=f"{name}.png")
    return part
