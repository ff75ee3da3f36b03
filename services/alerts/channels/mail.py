"""One notification as one mail to one person, over SMTP.

`send` and `MailConnection.send` never raise for what a server or the network does: the `Outcome` says whether the mail
was accepted, whether trying again can help, or whether it never will. The caller keeps the mail and decides when to try
again, with the same Message-ID, so that a mail that arrives twice can be recognised.
"""

import asyncio
import itertools
import re
import socket
import ssl
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.alerts.channels.mime import NEW_LINE, inline, person, together, words, words_of
from services.alerts.channels.outcome import Outcome, Stage, Verdict

MESSAGE_ID = re.compile(r"<[^<>\s@]+@[^<>\s@]+>")
ADDRESS = re.compile(r"[^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f]+@[^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f]+")
PICTURE_NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
ANSWER_LENGTH = 300

CLOSING = 421
# 552 to MAIL FROM is about this mail's size; every other refusal of the sender is about how we are set up.
TOO_BIG = 552
# Unicode's categories of control characters, surrogates, line and paragraph separators; and what turns the writing
# direction round, so that a name cannot rearrange the line it stands in.
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Sign-in wanted or failed, at whatever stage the server says so.
SIGN_IN = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Where mails are handed over. `timeout_s` holds for each step of the conversation, in seconds.

    `ca_file` holds the certificates to trust, the machine's own if absent. `hello_name` is how we introduce ourselves,
    the machine's name if absent.
    """

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"] = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    hello_name: str | None = None
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG that the HTML of a mail shows by `<img src="cid:name">`; it travels inside the mail."""

    name: str
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to one address. `sender` and `to` are bare addresses, the names beside them are what people see.

    Raises ValueError if `message_id` is not of the form <left@right>, `sent_at` has no offset, or a picture's name is
    more than letters, digits and hyphens.
    """

    message_id: str
    sender: str
    sender_name: str = ""
    to: str
    to_name: str = ""
    subject: str
    text: str
    html: str
    language: str
    sent_at: datetime
    pictures: tuple[Picture, ...] = ()

    def __post_init__(self) -> None:
        if not MESSAGE_ID.fullmatch(self.message_id):
            raise ValueError(f"a Message-ID looks like <left@right>, not {self.message_id!r}")
        if self.sent_at.tzinfo is None:
            raise ValueError("sent_at needs an offset, as in 2026-01-31T09:00:00+08:00")
        if not all(PICTURE_NAME.fullmatch(picture.name) for picture in self.pictures):
            raise ValueError("a picture's name is made of letters, digits and hyphens, as in rhythm-1")


class MailConnection:
    """Keeps one connection for many mails and opens a new one when the server has dropped it; one mail at a time."""

    def __init__(self, server: SmtpSettings) -> None:
        self._server = server
        self._client: SMTP | None = None
        self._turn = asyncio.Lock()

    async def send(self, mail: Mail) -> Outcome:
        """Hands the mail over; whatever the server or the network does is in the outcome, never raised."""
        if not (ADDRESS.fullmatch(mail.to) and ADDRESS.fullmatch(mail.sender)):
            who = Stage.SENDER if ADDRESS.fullmatch(mail.to) else Stage.RECIPIENT
            return Outcome(verdict=Verdict.REFUSED, stage=who, answer=f"the {who} is not a mail address: correct it")
        async with self._turn:
            reused = self._client is not None
            raw = compose(mail)
            outcome = await self._attempt(mail, raw)
            # A server closes a connection that was idle for long. Before the message itself nothing is in doubt.
            if reused and self._client is None and outcome.retry_can_help and outcome.stage is not Stage.MESSAGE:
                outcome = await self._attempt(mail, raw)
            return outcome

    async def close(self) -> None:
        """Says goodbye and hangs up; a server that does not answer is not waited for beyond the time-out."""
        async with self._turn:
            client, self._client = self._client, None
            if client is None:
                return
            try:
                await client.quit()
            except (SMTPException, OSError):
                client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _attempt(self, mail: Mail, raw: bytes) -> Outcome:
        stage = Stage.CONNECT
        unicode = not (mail.to + mail.sender).isascii()
        options, encoding = (["SMTPUTF8"], "utf-8") if unicode else ([], "ascii")
        try:
            client = await self._connected()
            if unicode and not client.supports_extension("smtputf8"):
                answer = "the mail server takes no addresses beyond ASCII: give the person another"
                return Outcome(verdict=Verdict.REFUSED, stage=Stage.RECIPIENT, answer=answer)
            stage = Stage.SENDER
            await client.mail(mail.sender, options=options, encoding=encoding)
            stage = Stage.RECIPIENT
            await client.rcpt(mail.to, encoding=encoding)
            stage = Stage.MESSAGE
            response = await client.data(raw)
        except SMTPResponseException as refusal:
            await self._start_over(stage, refusal.code)
            return _refused(stage, refusal.code, redact(refusal.message, mail.to, mail.sender))
        except (SMTPException, OSError) as error:
            self._drop()
            answer = redact(f"{type(error).__name__}: {error}", mail.to, mail.sender)
            return Outcome(verdict=Verdict.RETRY, stage=stage, answer=answer, in_doubt=stage is Stage.MESSAGE)
        except BaseException:
            # Cancelled in mid-conversation: the next mail must not read this one's answers.
            self._drop()
            raise
        answer = redact(response.message, mail.to, mail.sender)
        return Outcome(verdict=Verdict.ACCEPTED, stage=stage, answer=answer, code=response.code)

    async def _connected(self) -> SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            tls_context=None if server.tls == "none" else ssl.create_default_context(cafile=server.ca_file),
            username=server.username,
            password=server.password,
            local_hostname=server.hello_name or socket.gethostname(),
            timeout=server.timeout_s,
        )
        await client.connect()
        if not client.last_ehlo_response:
            await client.ehlo()
        self._client = client
        return client

    async def _start_over(self, stage: Stage, code: int) -> None:
        if self._client is None:
            return
        if stage is Stage.CONNECT or code == CLOSING or code < 0:
            self._drop()
            return
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class MailPool:
    """Several connections to one server, each mail on the next of them."""

    def __init__(self, server: SmtpSettings, connections: int) -> None:
        self._connections = [MailConnection(server) for _ in range(connections)]
        self._turns = itertools.cycle(self._connections)

    async def send(self, mail: Mail) -> Outcome:
        """As `MailConnection.send`."""
        return await next(self._turns).send(mail)

    async def close(self) -> None:
        """Close them all."""
        for connection in self._connections:
            await connection.close()


async def send(message: Mail, server: SmtpSettings) -> Outcome:
    """Hands over one mail on a connection of its own."""
    async with MailConnection(server) as connection:
        return await connection.send(message)


def _refused(stage: Stage, code: int, answer: str) -> Outcome:
    """5xx is for good (RFC 5321, 4.2.1) where it is about this person or this mail.

    Where it is about us, at the greeting, the sign-in or the sender, somebody repairs our settings, and every mail that
    waited for that can still arrive.
    """
    permanent = code >= 500 and code not in SIGN_IN
    about_us = stage is Stage.CONNECT or (stage is Stage.SENDER and code != TOO_BIG)
    verdict = Verdict.REFUSED if permanent and not about_us else Verdict.RETRY
    return Outcome(verdict=verdict, stage=stage, answer=answer, code=code)


def compose(mail: Mail) -> bytes:
    """The mail as it goes over the wire: multipart/alternative, the text first, then the HTML (RFC 2046, 5.1.4), the
    latter together with its pictures (RFC 2387).
    """
    rich: Message = words_of(mail.html, "html")
    if mail.pictures:
        rich = together(
            "related", rich, *(inline(picture.name, picture.png) for picture in mail.pictures), type="text/html"
        )
    body = together("alternative", words_of(mail.text, "plain"), rich)
    head = (
        ("Message-ID", mail.message_id),
        ("Date", format_datetime(mail.sent_at)),
        ("From", person(one_line(mail.sender_name), mail.sender)),
        ("To", person(one_line(mail.to_name), mail.to)),
        ("Subject", words(one_line(mail.subject), "Subject")),
        ("Content-Language", mail.language),
        # RFC 3834: no holiday notice or other robot answers this.
        ("Auto-Submitted", "auto-generated"),
    )
    return "".join(f"{name}: {value}{NEW_LINE}" for name, value in head).encode() + body.as_bytes()


def one_line(text: str) -> str:
    """Text for a header or a table cell: no line breaks, control or direction-changing characters, single spaces."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = "".join(" " if unicodedata.category(char) in _UNSEEN or char in _TURNING else char for char in text)
    return " ".join(visible.split())


def redact(answer: str, *addresses: str) -> str:
    """A server's answer without the mail addresses it repeats, in one line of bounded length."""
    answer = one_line(answer.encode("utf-8", "replace").decode("utf-8"))
    for address in addresses:
        local = address.partition("@")[0]
        answer = re.sub(re.escape(address), "<address>", answer, flags=re.IGNORECASE)
        answer = re.sub(rf"(?<![\w.-]){re.escape(local)}(?![\w.-])", "<address>", answer, flags=re.IGNORECASE)
    return ADDRESS.sub("<address>", answer)[:ANSWER_LENGTH]
