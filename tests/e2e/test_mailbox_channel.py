"""An alert's mail from its figures through SMTP into the mailbox, and read there; and the mailbox dying in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.money import Money
from deploy.local.mailbox.process import MailboxProcess, start
from services.alerts.channels.mail import Mail, MailConnection, SmtpSettings, send
from services.alerts.channels.outcome import Stage, Verdict
from services.alerts.channels.render import AlertMail, EventBehind, Settlement, render_alert_raised
from services.alerts.channels.words import Language


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[MailboxProcess]:
    running = start(tmp_path)
    yield running
    running.stop()


def alert(language: Language) -> AlertMail:
    return AlertMail(
        language=language,
        receiver_name="陈建国",
        alert_id="0b9f6c0e",
        link="http://localhost:8080/alerts/0b9f6c0e",
        customer_id="C00042",
        customer_name="云帆 & <Söhne>",
        invoice_id="INV-00042-001",
        issued_on=date(2026, 9, 1),
        due_on=date(2026, 10, 1),
        as_of=date(2026, 11, 5),
        days_past_due=35,
        stage="31-60",
        total=Money.of("1250.00", "CNY"),
        open=Money.of("850.00", "CNY"),
        settlements=(
            Settlement(
                document_id="PAY-7", kind="payment", dated_on=date(2026, 10, 3), amount=Money.of("400.00", "CNY")
            ),
        ),
        grace_days=5,
        events=(EventBehind(id="INV-00042-001/issued", source="erp/demo", name="invoice.issued"),),
    )


def mail(language: Language = "en", number: int = 1) -> Mail:
    subject, text, html = render_alert_raised(alert(language))
    return Mail(
        message_id=f"<alert-{number}@rapport.example.test>",
        sender="alerts@rapport.example.test",
        sender_name="客情 Rapport",
        to="chen.jianguo@example.test",
        to_name="陈建国",
        subject=subject,
        text=text,
        html=html,
        language=language,
        sent_at=datetime(2026, 11, 5, 9, 30, tzinfo=UTC),
    )


def settings(mailbox: MailboxProcess) -> SmtpSettings:
    return SmtpSettings(host=mailbox.host, port=mailbox.smtp_port, timeout_s=5)


def listed(mailbox: MailboxProcess) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = httpx.get(f"{mailbox.url}/api/messages", timeout=10).json()["items"]
    return items


def read(mailbox: MailboxProcess) -> dict[str, Any]:
    items = listed(mailbox)
    mail: dict[str, Any] = httpx.get(f"{mailbox.url}/api/messages/{items[-1]['id']}", timeout=10).json()
    return mail


ALIKE = ("INV-00042-001", "陈建国", "31–60", "¥1,250.00", "¥850.00", "¥400.00", "PAY-7", "/alerts/0b9f6c0e")
EXPECTED: dict[Language, tuple[str, ...]] = {
    "zh-CN": ("陈建国，您好", "2026年10月1日", "35 天", "宽限期 5 天"),
    "en": ("Dear 陈建国", "1 October 2026", "35 days", "5 days of grace"),
}


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_an_alerts_mail_is_read_in_the_mailbox_as_it_was_written(
    mailbox: MailboxProcess, language: Language
) -> None:
    sent = mail(language)
    assert (await send(sent, settings(mailbox))).accepted
    found = read(mailbox)
    assert found["subject"] == sent.subject
    assert found["to"] == ["chen.jianguo@example.test"]
    assert found["text"] == sent.text and found["html"] == sent.html
    headers = found["headers"]
    assert headers["From"] == "客情 Rapport <alerts@rapport.example.test>"
    assert headers["To"] == "陈建国 <chen.jianguo@example.test>"
    assert headers["Message-ID"] == sent.message_id
    assert headers["Date"] == "Thu, 05 Nov 2026 09:30:00 +0000"
    assert headers["Content-Language"] == language
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Content-Type"].startswith("multipart/alternative")
    for words in ALIKE + EXPECTED[language]:
        assert words in found["text"] and words in found["html"]
    assert "云帆 & <Söhne>" in found["text"] and "云帆 &amp; &lt;Söhne&gt;" in found["html"]


async def test_a_mailbox_killed_in_mid_connection_costs_no_mail(tmp_path: Path) -> None:
    first = start(tmp_path)
    async with MailConnection(settings(first)) as connection:
        assert (await connection.send(mail(number=1))).accepted
        first.stop(kill=True)
        lost = await connection.send(mail(number=2))
        assert (lost.verdict, lost.stage) == (Verdict.RETRY, Stage.CONNECT)
        second = start(tmp_path, smtp_port=first.smtp_port)
        try:
            assert (await connection.send(mail(number=2))).accepted
            assert (await connection.send(mail(number=2))).accepted
            assert [(item["message_id"], item["copies"]) for item in listed(second)] == [
                ("<alert-1@rapport.example.test>", 1),
                ("<alert-2@rapport.example.test>", 2),
            ]
        finally:
            second.stop()
