"""The SMTP side: takes every mail for anybody, answers 250 only once it is on disk."""

import asyncio
import socket
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.mailbox.reading import clean, read_header
from deploy.local.mailbox.store import Arrival, Store

BATCH = 500
STORED = "250 2.0.0 Stored"
NOT_STORED = "451 4.3.0 The mailbox could not write to its disk: free some space, then send again"
NO_MORE = "421 4.3.2 The mailbox is stopping: send again later"


class StoppingError(Exception):
    """The mailbox takes no more mails."""


class Intake:
    """Mails that arrive while one commit is under way share the next: a wait for the disk serves many senders."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Arrival, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="mailbox-intake")

    async def put(self, mail: Arrival) -> None:
        """Returns once the mail is on disk; raises sqlite3.Error if it could not be, StoppingError after `stop`."""
        if self._stopping:
            raise StoppingError
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((mail, stored))
        self._wake.set()
        await stored

    async def stop(self) -> None:
        """Stores what has arrived, then ends."""
        self._stopping = True
        self._wake.set()
        await self._task

    async def _run(self) -> None:
        while self._waiting or not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._store_batch(batch)

    async def _store_batch(self, batch: list[tuple[Arrival, asyncio.Future[None]]]) -> None:
        failure: sqlite3.Error | None = None
        try:
            await asyncio.to_thread(self._store.add, [mail for mail, _ in batch])
        except sqlite3.Error as error:
            failure = error
        for _, stored in batch:
            # The sender may have hung up meanwhile, which cancels what waits for this.
            if stored.done():
                continue
            if failure is None:
                stored.set_result(None)
            else:
                stored.set_exception(failure)


class Handler:
    """What aiosmtpd calls for a whole mail; everything before it is accepted as it is."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        try:
            await self._intake.put(arrival(envelope, datetime.now(UTC)))
        except StoppingError:
            return NO_MORE
        except sqlite3.Error as error:
            print(f"mailbox: a mail was not stored: {error}", flush=True)
            return NOT_STORED
        return STORED


def arrival(envelope: Envelope, now: datetime) -> Arrival:
    raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
    message_id, author, subject = read_header(raw, "message-id", "from", "subject")
    return Arrival(
        message_id=message_id.strip() or None,
        recipients=tuple(sorted({clean(address).lower() for address in envelope.rcpt_tos})),
        sender=clean(author or envelope.mail_from or ""),
        subject=subject,
        received_at=now.isoformat(timespec="milliseconds"),
        raw=raw,
    )


class Sink:
    """A listening SMTP server on a socket that is already bound."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._server: asyncio.Server | None = None

    async def listen(self, bound: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._session, sock=bound)

    @property
    def listening(self) -> bool:
        return self._server is not None and self._server.is_serving()

    async def stop(self) -> None:
        """Takes no more connections, lets mails under way be stored and answered, then hangs up."""
        if self._server is not None:
            self._server.close()
        await self._intake.stop()
        # One turn of the loop, so that the answers of the last batch reach the sockets.
        await asyncio.sleep(0)
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()
        if self._server is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 2)

    def _session(self) -> SMTP:
        session = SMTP(Handler(self._intake), enable_SMTPUTF8=True, ident="Rapport mailbox", hostname="localhost")
        self._sessions.add(session)
        return session
