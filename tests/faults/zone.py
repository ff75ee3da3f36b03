"""A company zone whose midnight comes when the run wants it: in production a rule's day ends at the company's midnight,
and nobody can wait for a real one.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

NAME = "Made/Midnight"


def with_midnight(folder: Path, at: datetime) -> ZoneInfo:
    """Write the zone's file below `folder`, to be found by PYTHONTZPATH; midnight there is at `at`."""
    beyond = at.astimezone(UTC) - datetime.combine(at.astimezone(UTC).date(), datetime.min.time(), UTC)
    offset = -beyond if beyond < timedelta(hours=12) else timedelta(days=1) - beyond
    file = folder / NAME
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_tzif(round(offset.total_seconds())))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data, key=NAME)


def _tzif(offset: int) -> bytes:
    """A zone of one offset, in seconds east of UTC (RFC 8536, version 1): a header, one type, its name."""
    name = b"MADE\0"
    header = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 0, 1, len(name))
    return header + struct.pack(">lbB", offset, 0, 0) + name
