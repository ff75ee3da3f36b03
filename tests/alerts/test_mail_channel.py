"""The mail channel against SMTP servers that behave, refuse, stall, hang up and die."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.alerts.channels.mail import Mail, MailConnection, MailPool, SmtpSettings, send
from services.alerts.channels.outcome import Outcome, Stage, Verdict
from tests.chassis.receiver import certificate

ANN = "ann.lee@example.test"
KEYWORD = "s3cret"


def mail(number: int = 1, **changes: Any) -> Mail:
    given = Mail(
        message_id=f"<alert-{number}@rapport.example.test>",
        sender="alerts@rapport.example.test",
        sender_name="Rapport 客情",
        to=ANN,
        to_name="Ann Lee",
        subject="Overdue 逾期",
        text="text 文字\n",
        html="<p>html 文字</p>",
        language="en",
        sent_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    )
    return replace(given, **changes)


@dataclass
class Server:
    """A real SMTP server whose answers a test scripts: by command, the next answers; when used up, all is well."""

    port: int = 0
    answers: dict[str, list[str]] = field(default_factory=dict)
    taken: list[Envelope] = field(default_factory=list)
    sessions: list[SMTP] = field(default_factory=list)
    hang_up_after_data: bool = False

    @property
    def settings(self) -> SmtpSettings:
        return SmtpSettings(host="127.0.0.1", port=self.port, timeout_s=5, hello_name="localhost")

    def _next(self, command: str) -> str | None:
        script = self.answers.get(command)
        return script.pop(0) if script else None

    def _hang_up(self, server: SMTP) -> None:
        assert isinstance(server.transport, asyncio.WriteTransport)
        server.transport.abort()

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._next("MAIL")
        if answer == "stall":
            await asyncio.sleep(60)
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        elif answer.startswith("421"):
            asyncio.get_running_loop().call_later(0.01, self._hang_up, server)
        return answer or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._next("RCPT")
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hang_up_after_data:
            self._hang_up(server)
            return ""
        answer = self._next("DATA")
        if answer is None:
            self.taken.append(envelope)
        return answer or "250 2.0.0 taken"

    def hang_up_on_all(self) -> None:
        for session in self.sessions:
            if session.transport is not None:
                session.transport.close()


@asynccontextmanager
async def serving(
    server: Server | None = None, *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Server]:
    server = server or Server()

    def session() -> SMTP:
        made = SMTP(server, hostname="localhost", **options)
        server.sessions.append(made)
        return made

    listening = await asyncio.get_running_loop().create_server(session, "127.0.0.1", server.port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.hang_up_on_all()
        await listening.wait_closed()


@asynccontextmanager
async def talking(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that says what `talk` does and need not know SMTP; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_mail_is_accepted() -> None:
    async with serving() as server:
        outcome = await send(mail(), server.settings)
    assert outcome == Outcome(verdict=Verdict.ACCEPTED, stage=Stage.MESSAGE, answer="2.0.0 taken", code=250)
    assert outcome.accepted and not outcome.retry_can_help
    (envelope,) = server.taken
    assert envelope.rcpt_tos == [ANN] and envelope.mail_from == "alerts@rapport.example.test"


async def test_many_mails_share_one_connection() -> None:
    async with serving() as server, MailConnection(server.settings) as connection:
        outcomes = await asyncio.gather(*(connection.send(mail(number)) for number in range(20)))
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.sessions) == 1
    assert len(server.taken) == 20


async def test_a_pool_shares_the_mails_out_among_its_connections() -> None:
    async with serving() as server:
        pool = MailPool(server.settings, 3)
        outcomes = await asyncio.gather(*(pool.send(mail(number)) for number in range(9)))
        await pool.close()
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.sessions) == 3
    assert len(server.taken) == 9


async def test_a_refused_recipient_is_for_good_and_the_next_mail_is_accepted() -> None:
    async with serving() as server, MailConnection(server.settings) as connection:
        server.answers["RCPT"] = [f"550 5.1.1 <{ANN}>: user ANN.LEE unknown"]
        refused = await connection.send(mail())
        assert (refused.verdict, refused.stage, refused.code) == (Verdict.REFUSED, Stage.RECIPIENT, 550)
        assert (await connection.send(mail(2, to="bob@example.test"))).accepted
        assert len(server.sessions) == 1
    assert [envelope.rcpt_tos for envelope in server.taken] == [["bob@example.test"]]


async def test_an_answer_names_nobody() -> None:
    async with serving() as server:
        server.answers["RCPT"] = [f"550 <{ANN}>: user ANN.LEE, alias boss@example.test,\tno more " + "x" * 400]
        outcome = await send(mail(), server.settings)
    assert outcome.answer.startswith("<<address>>: user <address>, alias <address>, no more xxx")
    assert "lee" not in outcome.answer.lower() and len(outcome.answer) == 300


async def test_a_mail_put_off_is_accepted_later() -> None:
    async with serving() as server, MailConnection(server.settings) as connection:
        server.answers["RCPT"] = ["451 4.7.1 greylisted"]
        server.answers["DATA"] = ["452 4.3.1 disk full"]
        for stage in (Stage.RECIPIENT, Stage.MESSAGE):
            put_off = await connection.send(mail())
            assert (put_off.verdict, put_off.stage, put_off.in_doubt) == (Verdict.RETRY, stage, False)
            assert put_off.retry_can_help
        assert (await connection.send(mail())).accepted
    assert len(server.taken) == 1


async def test_refused_content_is_for_good() -> None:
    async with serving() as server:
        server.answers["DATA"] = ["554 5.7.1 looks like spam"]
        outcome = await send(mail(), server.settings)
    assert (outcome.verdict, outcome.stage, outcome.code) == (Verdict.REFUSED, Stage.MESSAGE, 554)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("550 5.7.1 sender not allowed", Verdict.RETRY),
        ("530 5.7.0 authentication required", Verdict.RETRY),
        ("451 try later", Verdict.RETRY),
        ("552 5.3.4 message too big", Verdict.REFUSED),
    ],
)
async def test_a_refusal_that_is_about_us_leaves_the_mail_its_chance(answer: str, verdict: Verdict) -> None:
    async with serving() as server:
        server.answers["MAIL"] = [answer]
        outcome = await send(mail(), server.settings)
    assert (outcome.verdict, outcome.stage) == (verdict, Stage.SENDER)


async def test_sign_in_wanted_at_the_recipient_is_about_us_too() -> None:
    async with serving() as server:
        server.answers["RCPT"] = ["530 5.7.0 authentication required"]
        assert (await send(mail(), server.settings)).verdict is Verdict.RETRY


async def test_with_the_server_gone_a_retry_can_help() -> None:
    async with serving() as server:
        pass
    outcome = await send(mail(), server.settings)
    assert (outcome.verdict, outcome.stage, outcome.code) == (Verdict.RETRY, Stage.CONNECT, None)
    assert not outcome.in_doubt


async def test_the_connection_heals_when_the_server_comes_back() -> None:
    server = Server()
    connection = MailConnection(server.settings)
    async with serving(server):
        connection = MailConnection(server.settings)
        assert (await connection.send(mail(1))).accepted
    assert (await connection.send(mail(2))).verdict is Verdict.RETRY
    async with serving(server):
        assert (await connection.send(mail(2))).accepted
        await connection.close()
    assert len(server.taken) == 2


@pytest.mark.parametrize("farewell", ["silent", "421"])
async def test_an_idle_connection_that_the_server_closed_is_opened_again_at_once(farewell: str) -> None:
    async with serving() as server, MailConnection(server.settings) as connection:
        assert (await connection.send(mail(1))).accepted
        if farewell == "silent":
            server.hang_up_on_all()
        else:
            server.answers["MAIL"] = ["421 4.4.2 idle for too long"]
        assert (await connection.send(mail(2))).accepted
        assert len(server.sessions) == 2
    assert len(server.taken) == 2


async def test_a_message_left_without_an_answer_is_in_doubt_and_not_sent_twice_by_itself() -> None:
    async with serving() as server, MailConnection(server.settings) as connection:
        assert (await connection.send(mail(1))).accepted
        server.hang_up_after_data = True
        outcome = await connection.send(mail(2))
        assert (outcome.verdict, outcome.stage, outcome.in_doubt) == (Verdict.RETRY, Stage.MESSAGE, True)
        assert len(server.sessions) == 1
        server.hang_up_after_data = False
        assert (await connection.send(mail(2))).accepted


async def test_a_server_that_does_not_answer_is_given_up_after_the_time_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(silent) as port:
        server = SmtpSettings(host="127.0.0.1", port=port, timeout_s=0.2)
        outcome = await asyncio.wait_for(send(mail(), server), 5)
    assert (outcome.verdict, outcome.stage) == (Verdict.RETRY, Stage.CONNECT)


async def test_a_late_answer_is_not_taken_for_the_next_mails() -> None:
    async with serving() as server:
        connection = MailConnection(replace(server.settings, timeout_s=0.3))
        server.answers["MAIL"] = ["stall"]
        assert (await connection.send(mail(1))).verdict is Verdict.RETRY
        assert (await connection.send(mail(2))).accepted
        await connection.close()
        assert len(server.sessions) == 2


async def test_a_cancelled_mail_does_not_harm_the_next() -> None:
    async with serving() as server, MailConnection(server.settings) as connection:
        server.answers["MAIL"] = ["stall"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.send(mail(1)), 0.2)
        # Sooner than the time-out: on a connection of its own, not after waiting for the first mail's answer.
        assert (await asyncio.wait_for(connection.send(mail(2)), server.settings.timeout_s / 2)).accepted
        assert len(server.sessions) == 2


async def test_a_server_that_speaks_no_smtp_is_tried_again_later() -> None:
    async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with talking(gibberish) as port:
        outcome = await send(mail(), SmtpSettings(host="127.0.0.1", port=port, timeout_s=2))
    assert (outcome.verdict, outcome.stage) == (Verdict.RETRY, Stage.CONNECT)


@pytest.mark.parametrize("address", ["", "ann", "ann@", "a b@c.d", "a@b>\r\nRCPT TO:<eve@example.test", "a@b,c@d"])
async def test_what_is_no_address_is_refused_without_asking_the_server(address: str) -> None:
    outcome = await send(mail(to=address), SmtpSettings(host="127.0.0.1", port=1))
    assert (outcome.verdict, outcome.stage) == (Verdict.REFUSED, Stage.RECIPIENT)


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    chinese = mail(to="陈@例子.example.test")
    async with serving(enable_SMTPUTF8=True) as server:
        assert (await send(chinese, server.settings)).accepted
        assert server.taken[0].rcpt_tos == ["陈@例子.example.test"]
    async with serving(enable_SMTPUTF8=False) as server:
        outcome = await send(chinese, server.settings)
    assert (outcome.verdict, outcome.stage) == (Verdict.REFUSED, Stage.RECIPIENT)


def test_a_mail_needs_a_true_message_id_and_a_moment_with_its_offset() -> None:
    for wrong in ("", "alert-1", "<alert-1>", "<a@b>\r\nBcc: <c@d>"):
        with pytest.raises(ValueError, match="Message-ID"):
            mail(message_id=wrong)
    with pytest.raises(ValueError, match="offset"):
        mail(sent_at=datetime(2026, 11, 20))  # noqa: DTZ001 - the very mistake


def sign_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"rapport", KEYWORD.encode())
    return AuthResult(success=right, handled=right)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for localhost, and the file to trust it by."""
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


async def test_starttls_and_sign_in(trust: tuple[ssl.SSLContext, Path]) -> None:
    context, trusted = trust
    demands: dict[str, Any] = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": sign_in,
    }
    async with serving(**demands) as server:
        settings = replace(
            server.settings, host="localhost", tls="starttls", ca_file=trusted, username="rapport", password=KEYWORD
        )
        assert (await send(mail(), settings)).accepted
        wrong = await send(mail(), replace(settings, password=KEYWORD[::-1]))
        assert (wrong.verdict, wrong.stage, wrong.code) == (Verdict.RETRY, Stage.CONNECT, 535)
        stranger = await send(mail(), replace(settings, ca_file=None))
        assert (stranger.verdict, stranger.stage) == (Verdict.RETRY, Stage.CONNECT)
        assert "certificate" in stranger.answer.lower()
    assert len(server.taken) == 1


async def test_tls_from_the_first_byte(trust: tuple[ssl.SSLContext, Path]) -> None:
    context, trusted = trust
    async with serving(tls=context) as server:
        settings = replace(server.settings, host="localhost", tls="tls", ca_file=trusted)
        assert (await send(mail(), settings)).accepted


async def test_a_mail_never_goes_in_the_clear_where_tls_is_demanded() -> None:
    async with serving() as server:
        outcome = await send(mail(), replace(server.settings, tls="starttls"))
    assert (outcome.verdict, outcome.stage) == (Verdict.RETRY, Stage.CONNECT)
    assert server.taken == []


def test_a_password_does_not_show_in_the_settings_text() -> None:
    assert KEYWORD not in repr(SmtpSettings(host="x", port=25, username="rapport", password=KEYWORD))
