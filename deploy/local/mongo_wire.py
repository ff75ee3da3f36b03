"""Just enough of MongoDB's wire protocol to set a replica set up: one command, one answer.

The driver belongs to the chassis, and the server comes without a shell; what is needed here fits on a page.
Formats: BSON 1.1 (bsonspec.org) and OP_MSG (MongoDB wire protocol).
"""

import socket
import struct
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

_OP_MSG = 2013
# Types by their code: those that are read, and those of a fixed length that are only passed on.
_NUMBERS = {0x08: "<?", 0x10: "<i", 0x12: "<q"}
_FIXED = {0x01: 8, 0x07: 12, 0x09: 8, 0x0A: 0, 0x11: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}


@dataclass(frozen=True)
class Opaque:
    """A value that is only passed on: its BSON type and its bytes."""

    kind: int
    payload: bytes


def command(address: tuple[str, int], body: Document, *, timeout_s: float = 5) -> Document:
    """Send one command to the `admin` database and return the answer, whatever it says. Raises OSError without one."""
    message = struct.pack("<iB", 0, 0) + encode({**body, "$db": "admin"})
    with socket.create_connection(address, timeout=timeout_s) as connection:
        connection.sendall(struct.pack("<iiii", 16 + len(message), 1, 0, _OP_MSG) + message)
        with connection.makefile("rb") as stream:
            header = stream.read(16)
            if len(header) < 16:
                raise ConnectionError("the database closed the connection")
            answer = stream.read(struct.unpack_from("<i", header)[0] - 16)
    return decode(answer[5:])


def encode(document: Document) -> bytes:
    """A document as BSON: texts, whole numbers, truth values, documents, lists, and opaque values."""
    body = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def decode(data: bytes) -> Document:
    """A document from BSON; types that nobody here looks into stay opaque."""
    document: Document = {}
    at = 4
    while kind := data[at]:
        end = data.index(0, at)
        name = data[at + 1 : end].decode()
        value, at = _value(kind, data, end + 1)
        document[name] = value
    return document


def _element(name: str, value: object) -> bytes:
    match value:
        case bool():
            kind, payload = 0x08, bytes([value])
        case int():
            kind, payload = 0x12, struct.pack("<q", value)
        case str():
            text = value.encode() + b"\0"
            kind, payload = 0x02, struct.pack("<i", len(text)) + text
        case dict():
            kind, payload = 0x03, encode(value)
        case list():
            kind, payload = 0x04, encode({str(index): item for index, item in enumerate(value)})
        case Opaque():
            kind, payload = value.kind, value.payload
        case _:
            raise TypeError(f"{name}: {type(value).__name__} has no place in a command here")
    return bytes([kind]) + name.encode() + b"\0" + payload


def _value(kind: int, data: bytes, at: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        layout = _NUMBERS[kind]
        return struct.unpack_from(layout, data, at)[0], at + struct.calcsize(layout)
    if kind in _FIXED:
        end = at + _FIXED[kind]
        return Opaque(kind, data[at:end]), end
    size = struct.unpack_from("<i", data, at)[0]
    match kind:
        case 0x02:
            return data[at + 4 : at + 3 + size].decode(), at + 4 + size
        case 0x03:
            return decode(data[at : at + size]), at + size
        case 0x04:
            return list(decode(data[at : at + size]).values()), at + size
        case 0x05:
            return Opaque(kind, data[at : at + 5 + size]), at + 5 + size
    raise ValueError(f"BSON type {kind:#x} is not known here")
