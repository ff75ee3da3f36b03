"""Mails on disk, in one SQLite file. Reading never waits for writing (write-ahead log)."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT,
    recipients TEXT NOT NULL,
    sender TEXT NOT NULL,
    subject TEXT NOT NULL,
    received_at TEXT NOT NULL,
    copies INTEGER NOT NULL DEFAULT 1,
    UNIQUE (message_id, recipients)
);
CREATE TABLE IF NOT EXISTS addressees (address TEXT, mail INTEGER, PRIMARY KEY (address, mail)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bodies (mail INTEGER PRIMARY KEY, raw BLOB NOT NULL);
"""

# A mail without Message-ID has NULL there; NULLs differ in a UNIQUE key, so such mails are never taken for repeats.
ADD = """
INSERT INTO mails (message_id, recipients, sender, subject, received_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (message_id, recipients) DO UPDATE SET copies = copies + 1
RETURNING id, copies
"""

COLUMNS = "id, message_id, recipients, sender, subject, received_at, copies"


class DamagedMailboxError(Exception):
    """The mailbox file cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A mail as it came in: envelope addresses, the headers we list it by, and every byte of it."""

    message_id: str | None
    recipients: tuple[str, ...]
    sender: str
    subject: str
    received_at: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the list. `copies` is how often the same Message-ID came for the same recipients."""

    id: int
    message_id: str | None
    recipients: tuple[str, ...]
    sender: str
    subject: str
    received_at: str
    copies: int


@dataclass(frozen=True, slots=True)
class Count:
    """`messages` counts each mail once, `deliveries` counts its repeats too."""

    messages: int
    deliveries: int


class Store:
    """All mails of one folder. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Opens or creates `folder`/mailbox.sqlite.

        Raises DamagedMailboxError if that file is not a mailbox, OSError if the folder cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "mailbox.sqlite"
        # Open as long as the store is: whenever the last connection closes, SQLite copies the whole log into the file.
        self._writer = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
        self._turn = Lock()
        try:
            self._writer.execute("PRAGMA journal_mode = WAL")
            # FULL makes the commit wait for the disk: after our 250 the sender forgets the mail.
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._writer.close()
            raise DamagedMailboxError(
                f"{self.path} cannot be used as a mailbox ({error}): move it away, and an empty one is made"
            ) from error

    def close(self) -> None:
        """Nothing can be added any more."""
        with self._turn:
            self._writer.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30)) as db:
            yield db

    def add(self, arrivals: Sequence[Arrival]) -> None:
        """Stores all or, on an error, none of them; returns once they are on disk."""
        with self._turn, self._writer as db:
            for mail in arrivals:
                row = (mail.message_id, ",".join(mail.recipients), mail.sender, mail.subject, mail.received_at)
                number, copies = db.execute(ADD, row).fetchone()
                if copies == 1:
                    db.execute("INSERT INTO bodies (mail, raw) VALUES (?, ?)", (number, mail.raw))
                    db.executemany(
                        "INSERT INTO addressees (address, mail) VALUES (?, ?)",
                        [(address, number) for address in mail.recipients],
                    )

    def after(self, after: int, limit: int, to: str | None = None) -> list[Entry]:
        """At most `limit` mails with an id above `after`, oldest first: what a program polls."""
        where, values = _addressed(to)
        return self._entries(f"{where} AND id > ? ORDER BY id LIMIT ?", [*values, after, limit])

    def page(self, search: str, offset: int, limit: int, to: str | None = None) -> list[Entry]:
        """The mails whose recipient or subject contains `search`, newest first."""
        where, values = _matching(search, to)
        return self._entries(f"{where} ORDER BY id DESC LIMIT ? OFFSET ?", [*values, limit, offset])

    def count(self, search: str = "", to: str | None = None) -> Count:
        where, values = _matching(search, to)
        with self._reading() as db:
            row = db.execute(f"SELECT count(*), coalesce(sum(copies), 0) FROM mails WHERE {where}", values)  # noqa: S608
            return Count(*row.fetchone())

    def entry(self, number: int) -> Entry | None:
        return next(iter(self._entries("id = ?", [number])), None)

    def raw(self, number: int) -> bytes | None:
        with self._reading() as db:
            row = db.execute("SELECT raw FROM bodies WHERE mail = ?", (number,)).fetchone()
            return None if row is None else bytes(row[0])

    def _entries(self, where: str, values: Iterable[str | int]) -> list[Entry]:
        with self._reading() as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM mails WHERE {where}", list(values))  # noqa: S608
            return [_entry(row) for row in rows]


def _entry(row: tuple[int, str | None, str, str, str, str, int]) -> Entry:
    number, message_id, recipients, sender, subject, received_at, copies = row
    return Entry(
        id=number,
        message_id=message_id,
        recipients=tuple(recipients.split(",")),
        sender=sender,
        subject=subject,
        received_at=received_at,
        copies=copies,
    )


def _addressed(to: str | None) -> tuple[str, list[str | int]]:
    if to is None:
        return "1", []
    return "id IN (SELECT mail FROM addressees WHERE address = ?)", [to.strip().lower()]


def _matching(search: str, to: str | None) -> tuple[str, list[str | int]]:
    where, values = _addressed(to)
    if not search:
        return where, values
    escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = f"%{escaped}%"
    clause = "(recipients LIKE ? ESCAPE '\\' OR subject LIKE ? ESCAPE '\\')"
    return f"{where} AND {clause}", [*values, pattern, pattern]
