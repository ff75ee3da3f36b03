"""How a mail is written down: the words of its head (RFC 2047) and the parts of its body (RFC 2046, RFC 2387).

By hand and not by the library's `email`: that one takes ten times as long for the same mail, most of it in patterns
that it compiles anew for every mail's boundaries and in ways to encode a header that it weighs character by character.
The tests read what is written here with it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

LINE: Final = 998  # characters, without its end (RFC 5321, 4.5.3.1.6)
END: Final = "\r\n"
_LINE_OF_WORDS = 76  # characters of a line that holds encoded words; such a word itself has one less at most
_BEGINS, _ENDS = "=?utf-8?b?", "?="
_PEOPLE = 1024  # whose names are remembered as they are written: a round has few receivers, and all mails one sender


def words(text: str, name: str) -> str:
    """What the header `name` says, folded, and encoded where it needs it. `text` is one line."""
    if text.isascii() and "=?" not in text:
        return _folded(text.split(" "), len(name) + 2)
    return f"{END} ".join(_encoded(text, len(name) + 2))


@lru_cache(_PEOPLE)
def person(name: str, address: str) -> str:
    """Somebody for From or To. `name` is one line and may be empty."""
    if not name:
        return address
    if name.isascii() and "=?" not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    said = words(name, "From")
    last = said.rpartition(END)[2] if END in said else f"From: {said}"
    room = len(last) + len(address) + 3 <= _LINE_OF_WORDS
    return f"{said}{'' if room else END} <{address}>"


def text_part(text: str, subtype: str) -> bytes:
    """A part in the encoding that every server takes: as it is where it is ASCII in lines that each must take, else
    base64: quoted-printable would write a Chinese mail three times as long.
    """
    lines = text.splitlines()
    said = END.join([*lines, ""])
    if said.isascii() and max(map(len, lines), default=0) <= LINE:
        return _part((f'Content-Type: text/{subtype}; charset="us-ascii"', "Content-Transfer-Encoding: 7bit"), said)
    kind = f'Content-Type: text/{subtype}; charset="utf-8"'
    return _part((kind, "Content-Transfer-Encoding: base64"), _base64(said.encode()))


def picture_part(name: str, png: bytes) -> bytes:
    """A PNG that the HTML beside it shows by `cid:name`."""
    head = (
        "Content-Type: image/png",
        "Content-Transfer-Encoding: base64",
        f"Content-ID: <{name}>",
        f'Content-Disposition: inline; filename="{name}.png"',
    )
    return _part(head, _base64(png))


def multipart(kind: str, parts: Iterable[bytes]) -> bytes:
    """Several parts as one. `kind` is the subtype with its parameters, as in `related; type="text/html"`."""
    # Nobody who writes something that ends up in a mail can foresee it; and no base64 holds its first two characters.
    boundary = f"=_{secrets.token_hex(16)}"
    line = f"--{boundary}".encode()
    between = b"\r\n%s\r\n" % line
    head = _part((f'Content-Type: multipart/{kind}; boundary="{boundary}"',), "")
    return b"%s%s\r\n%s\r\n%s--\r\n" % (head, line, between.join(parts), line)


def _part(head: Iterable[str], body: str) -> bytes:
    return END.join((*head, "MIME-Version: 1.0", "", body)).encode()


def _base64(data: bytes) -> str:
    return base64.encodebytes(data).decode().replace("\n", END)


def _folded(parts: Iterable[str], used: int) -> str:
    lines, line = [], ""
    for part in parts:
        if line and used + len(line) + 1 + len(part) > _LINE_OF_WORDS:
            lines.append(line)
            line, used = part, 1
        else:
            line = f"{line} {part}" if line else part
    return f"{END} ".join((*lines, line))


def _encoded(text: str, used: int) -> Iterable[str]:
    """The text as encoded words, each of whole characters (RFC 2047, 5); `used` is taken of the first one's line."""
    held, room = b"", _room(used)
    for char in text:
        more = char.encode()
        if len(held) + len(more) > room:
            yield _word(held)
            held, room = b"", _room(1)
        held += more
    yield _word(held)


def _room(used: int) -> int:
    return (_LINE_OF_WORDS - used - len(_BEGINS) - len(_ENDS)) // 4 * 3


def _word(held: bytes) -> str:
    return _BEGINS + base64.b64encode(held).decode() + _ENDS
