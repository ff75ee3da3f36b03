"""The catch-all mailbox as a process: what it takes is kept, found again, and shown without harm."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import sqlite3
from collections.abc import Iterator
from email.header import Header
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.mailbox.process import MailboxProcess, MailboxStartError, start

EVIL = '<script>alert(1)</script> & "quotes"'


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    """One process for the tests that need no box of their own; `since` tells their mails from those before."""
    running = start(tmp_path_factory.mktemp("mails"))
    yield running
    running.stop()


@pytest.fixture
def since(mailbox: MailboxProcess) -> int:
    items = get(mailbox, "/api/messages?limit=1000").json()["items"]
    return max((item["id"] for item in items), default=0)


def letter(subject: str = "Hello", *, to: str = "ann@example.test", message_id: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "客情 Rapport <alerts@example.test>"
    message["To"] = to
    message["Subject"] = subject
    if message_id:
        message["Message-ID"] = message_id
    message.set_content("plain words 中文\n.\n.. dots at the start of lines\n")
    message.add_alternative(f"<p>rich words</p>{EVIL}", subtype="html")
    return message


def post(mailbox: MailboxProcess, *messages: Message, to: str | list[str] | None = None) -> None:
    with smtplib.SMTP(mailbox.host, mailbox.smtp_port, timeout=10) as server:
        for message in messages:
            assert server.send_message(message, to_addrs=to) == {}


def get(mailbox: MailboxProcess, path: str, **headers: str) -> httpx.Response:
    return httpx.get(mailbox.url + path, headers=headers, timeout=10)


def listed(mailbox: MailboxProcess, since: int = 0, query: str = "") -> list[dict[str, Any]]:
    answer = get(mailbox, f"/api/messages?after={since}{query}")
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_mail_to_anybody_is_taken_and_read_back_whole(mailbox: MailboxProcess, since: int) -> None:
    post(mailbox, letter("逾期 Überfällig", to="Nobody@Elsewhere.example", message_id="<one@example.test>"))
    (item,) = listed(mailbox, since)
    assert item["message_id"] == "<one@example.test>"
    assert item["to"] == ["nobody@elsewhere.example"]
    assert item["from"] == "客情 Rapport <alerts@example.test>"
    assert item["subject"] == "逾期 Überfällig"
    assert item["copies"] == 1
    assert item["received_at"].endswith("+00:00")
    mail = get(mailbox, f"/api/messages/{item['id']}").json()
    assert mail["text"] == "plain words 中文\n.\n.. dots at the start of lines\n"
    assert mail["html"].strip() == f"<p>rich words</p>{EVIL}"
    assert mail["headers"]["Message-ID"] == "<one@example.test>"


def test_a_long_name_in_two_scripts_keeps_its_blanks(mailbox: MailboxProcess, since: int) -> None:
    name = "上海云帆国际贸易有限公司 Cloud Sail Trading 上海云帆国际贸易有限公司"
    message = Message()
    message["From"] = f"{Header(name, 'utf-8').encode()} <alerts@example.test>"
    message["Subject"] = Header(name, "utf-8").encode()
    message["To"] = "ann@example.test"
    post(mailbox, message)
    (item,) = listed(mailbox, since)
    assert (item["from"], item["subject"]) == (f"{name} <alerts@example.test>", name)


def test_the_same_message_id_again_is_counted_not_listed_twice(mailbox: MailboxProcess, since: int) -> None:
    one = letter(to="rep@example.test", message_id="<one@example.test>")
    post(mailbox, one, one, letter(to="rep@example.test", message_id="<two@example.test>"), one)
    assert [(item["message_id"], item["copies"]) for item in listed(mailbox, since)] == [
        ("<one@example.test>", 3),
        ("<two@example.test>", 1),
    ]
    assert get(mailbox, "/api/count?to=rep@example.test").json() == {"messages": 2, "deliveries": 4}


def test_the_same_message_to_another_person_is_a_mail_of_its_own(mailbox: MailboxProcess, since: int) -> None:
    one = letter(message_id="<both@example.test>")
    post(mailbox, one)
    post(mailbox, one, to="bob@example.test")
    post(mailbox, one, to=["bob@example.test", "ann@example.test"])
    assert [item["to"] for item in listed(mailbox, since)] == [
        ["ann@example.test"],
        ["bob@example.test"],
        ["ann@example.test", "bob@example.test"],
    ]
    assert get(mailbox, "/api/count?to=bob@example.test").json() == {"messages": 2, "deliveries": 2}


def test_mails_without_a_message_id_are_never_taken_for_repeats(mailbox: MailboxProcess, since: int) -> None:
    post(mailbox, letter(), letter())
    assert [item.get("message_id") for item in listed(mailbox, since)] == [None, None]


def test_a_program_reads_on_from_where_it_stopped(mailbox: MailboxProcess, since: int) -> None:
    post(mailbox, *(letter(f"mail {n}", to=f"p{n % 2}@example.test") for n in range(6)))
    first = get(mailbox, f"/api/messages?limit=4&after={since}").json()
    rest = get(mailbox, f"/api/messages?after={first['next']}").json()
    assert [item["subject"] for item in first["items"] + rest["items"]] == [f"mail {n}" for n in range(6)]
    nothing = get(mailbox, f"/api/messages?after={rest['next']}").json()
    assert nothing == {"items": [], "next": rest["next"]}
    assert [item["subject"] for item in listed(mailbox, since, "&to=P1@example.test")] == ["mail 1", "mail 3", "mail 5"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=-1", "after=x"])
def test_a_senseless_question_of_a_program_is_refused(mailbox: MailboxProcess, query: str) -> None:
    assert get(mailbox, f"/api/messages?{query}").status_code == 422


def test_an_acknowledged_mail_survives_a_kill(tmp_path: Path) -> None:
    first = start(tmp_path)
    post(first, *(letter(message_id=f"<{n}@example.test>") for n in range(20)))
    first.stop(kill=True)
    second = start(tmp_path)
    try:
        assert get(second, "/api/count").json() == {"messages": 20, "deliveries": 20}
        post(second, letter(message_id="<3@example.test>"))
        assert get(second, "/api/count").json() == {"messages": 20, "deliveries": 21}
    finally:
        second.stop()


def test_a_mail_is_acknowledged_only_once_it_is_stored(tmp_path: Path) -> None:
    mailbox = start(tmp_path)
    try:
        post(mailbox, letter(message_id="<one@example.test>"))
        with contextlib.closing(sqlite3.connect(tmp_path / "mailbox.sqlite", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")  # whoever wants to write has to wait
            server = smtplib.SMTP(mailbox.host, mailbox.smtp_port, timeout=0.5)
            with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
                server.send_message(letter(message_id="<two@example.test>"))
            assert get(mailbox, "/api/count").json()["messages"] == 1
            db.execute("ROLLBACK")
        post(mailbox, letter(message_id="<three@example.test>"))
        assert {item["message_id"] for item in listed(mailbox)} >= {"<one@example.test>", "<three@example.test>"}
    finally:
        mailbox.stop()


def test_a_stop_is_clean_even_with_a_sender_connected(tmp_path: Path) -> None:
    mailbox = start(tmp_path)
    with smtplib.SMTP(mailbox.host, mailbox.smtp_port, timeout=10) as server:
        server.noop()
        mailbox.stop()
        assert not mailbox.alive
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            server.quit()
    said = mailbox.log.read_text()
    assert "Traceback" not in said and "rror" not in said
    with sqlite3.connect(mailbox.log.with_name("mailbox.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_many_senders_at_once_are_all_served(mailbox: MailboxProcess) -> None:
    batches = [
        [letter(to="many@example.test", message_id=f"<{sender}-{n}@example.test>") for n in range(20)]
        for sender in range(10)
    ]
    await asyncio.gather(*(asyncio.to_thread(post, mailbox, *batch) for batch in batches))
    assert get(mailbox, "/api/count?to=many@example.test").json() == {"messages": 200, "deliveries": 200}


def test_a_taken_port_is_said_with_what_to_do(mailbox: MailboxProcess, tmp_path: Path) -> None:
    with pytest.raises(MailboxStartError, match=rf"port {mailbox.smtp_port} .* choose another --smtp-port"):
        start(tmp_path / "other", smtp_port=mailbox.smtp_port)


def test_a_damaged_mailbox_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mailbox.sqlite").write_bytes(b"this is no database " * 100)
    with pytest.raises(MailboxStartError, match=r"mailbox\.sqlite cannot be used .* move it away"):
        start(tmp_path)


def test_a_mail_that_breaks_every_rule_is_kept_and_shown(mailbox: MailboxProcess, since: int) -> None:
    raw = b"Subject: \xff\xfe broken\r\nContent-Type: text/html; charset=no-such\r\nX: =?bad?q?=\r\n\r\n<b>\xff</b>\r\n"
    with smtplib.SMTP(mailbox.host, mailbox.smtp_port, timeout=10) as server:
        server.sendmail("", ["ann@example.test"], raw)
        server.sendmail("x@example.test", ["ann@example.test"], b"")
    for item in listed(mailbox, since):
        for path in ("/api/messages/{}", "/messages/{}", "/messages/{}?view=headers", "/messages/{}/html"):
            assert get(mailbox, path.format(item["id"])).status_code == 200
    assert get(mailbox, f"/messages/{listed(mailbox, since)[0]['id']}/raw").content == raw


def test_health_is_told(mailbox: MailboxProcess) -> None:
    assert get(mailbox, "/healthz/live").json() == {"status": "alive"}
    assert get(mailbox, "/healthz/ready").json() == {"status": "ready"}


def test_only_this_machines_names_are_answered(mailbox: MailboxProcess) -> None:
    assert get(mailbox, "/api/messages", host="evil.example").status_code == 400
