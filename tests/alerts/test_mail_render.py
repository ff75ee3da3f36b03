"""What an alert's mail says, in both languages, and that no name can bend it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from html import escape
from string import Formatter
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.money import Money
from services.alerts.channels.mail import Mail, Picture, compose, one_line
from services.alerts.channels.render import (
    BESIDE_SHOWN,
    EVENTS_SHOWN,
    TEMPLATES,
    AgeingStage,
    AlertMail,
    EventBehind,
    Overdue,
    Settlement,
    brief,
    render_alert_raised,
)
from services.alerts.channels.words import LANGUAGES, WORDS, Language, nearest, say, say_number
from tests.alerts.letterkit import HEADING

STAGES = get_args(AgeingStage)
HOSTILE = 'Ann\r\nBcc: eve@example.test\r\n\r\n<script>alert(1)</script>"\u202e'


def alert(language: Language = "en", **changes: object) -> AlertMail:
    given = AlertMail(
        language=language,
        **HEADING,
        company="Main",
        invoice_id="INV-7",
        issued_on=date(2026, 9, 1),
        due_on=date(2026, 10, 1),
        as_of=date(2026, 10, 2),
        days_past_due=1,
        stage="1-30",
        total=Money.of("1250.00", "USD"),
        open=Money.of("1250.00", "USD"),
        grace_days=0,
    )
    return msgspec.structs.replace(given, **changes)


def mail(
    subject: str = "s", text: str = "t", html: str = "h", name: str = "Ann Lee", pictures: tuple[Picture, ...] = ()
) -> EmailMessage:
    raw = compose_of(subject, text, html, name, pictures)
    assert raw.isascii()
    return message_from_bytes(raw, _class=EmailMessage, policy=default)


def compose_of(
    subject: str, text: str = "t", html: str = "h", name: str = "Ann Lee", pictures: tuple[Picture, ...] = ()
) -> bytes:
    return compose(
        Mail(
            message_id="<a@b>",
            sender="alerts@example.test",
            sender_name=name,
            to="ann@example.test",
            to_name=name,
            subject=subject,
            text=text,
            html=html,
            language="en",
            sent_at=datetime(2026, 11, 20, tzinfo=UTC),
            pictures=pictures,
        )
    )


def test_the_subject_says_who_what_how_late_and_how_much() -> None:
    assert render_alert_raised(alert())[0] == "Overdue by 1 day: Harbour Trading, invoice INV-7, US$1,250.00 open"
    later = alert(days_past_due=35)
    assert render_alert_raised(later)[0].startswith("Overdue by 35 days: ")
    chinese = alert("zh-CN", days_past_due=35)
    assert render_alert_raised(chinese)[0] == "逾期 35 天：Harbour Trading，发票 INV-7，未收 US$1,250.00"


def test_a_long_name_leaves_the_subject_room_for_the_amount() -> None:
    subject, text, _ = render_alert_raised(alert(customer_name="长" * 200))
    assert "长…, invoice INV-7, US$1,250.00 open" in subject and len(subject) < 120
    assert "长" * 200 in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_hold_every_figure(language: Language) -> None:
    paid = Settlement(document_id="PAY-1", kind="payment", dated_on=date(2026, 9, 9), amount=Money.of("400.00", "USD"))
    credit = Settlement(document_id="CN-2", kind="credit_note", dated_on=date(2026, 9, 10), amount=Money.of("1", "USD"))
    given = alert(
        language,
        settlements=(paid, credit),
        open=Money.of("849.00", "USD"),
        grace_days=5,
        days_past_due=70,
        stage="61-90",
        set_for="customer",
        events=(EventBehind(id="e-1", source="erp/x", name="payment.received"),),
    )
    _, text, html = render_alert_raised(given)
    figures = ["Harbour Trading", "C00042", "Main", "INV-7", "US$1,250.00", "US$849.00", "PAY-1", "US$400.00", "CN-2"]
    figures += ["US$1.00", "receivable_overdue", "e-1", "erp/x", "0b9f6c0e"]
    figures += [say(language, key) for key in ("stage.61-90", "set_for.customer", "event.payment.received")]
    figures += [say(language, key) for key in ("next.call", "next.check", "next.dispute", "urge.61-90", "owner")]
    figures += [say_number(language, "days", 70), say_number(language, "rule_says", 5)]
    figures += ["1 October 2026", "9 September 2026"] if language == "en" else ["2026年10月1日", "2026年9月9日"]
    for figure in figures:
        assert figure in text
        assert escape(figure) in html or figure.replace("'", "&#39;") in html
    assert given.link in text and f'href="{escape(given.link)}"' in html
    assert f'<html lang="{language}">' in html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_its_words(language: Language, stage: AgeingStage) -> None:
    _, text, html = render_alert_raised(alert(language, stage=stage))
    for part in (text, html.replace("&#39;", "'")):
        assert say(language, f"stage.{stage}") in part and say(language, f"urge.{stage}") in part


def test_what_is_not_known_is_not_shown() -> None:
    _, text, html = render_alert_raised(alert(receiver_name="", company="", issued_on=None))
    assert text.startswith("Good day,\n")
    for part in (text, html):
        assert "Invoicing company" not in part and "Issued on" not in part and "None" not in part
        assert say("en", "paid_nothing") in part


def test_many_events_are_cut_and_counted_and_an_unknown_one_keeps_its_name() -> None:
    events = tuple(
        EventBehind(id=f"e-{n:02}", source="erp/x", name="goods.teleported") for n in range(EVENTS_SHOWN + 3)
    )
    for part in render_alert_raised(alert(events=events))[1:]:
        assert part.count("goods.teleported") == EVENTS_SHOWN
        assert say("en", "events_more", n=3) in part


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_customers_other_overdue_invoices_stand_beside_it_with_their_sum_by_currency(language: Language) -> None:
    others = (
        Overdue(invoice_id="INV-3", days_past_due=40, open=Money.of("100.50", "USD")),
        Overdue(invoice_id="INV-<4>", days_past_due=1, open=Money.of("80", "EUR")),
    )
    given = alert(language, beside=others)
    assert [(str(one.amount), one.currency) for one in given.overdue_in_all] == [("1350.50", "USD"), ("80", "EUR")]
    _, text, html = render_alert_raised(given)
    for part in ("INV-3", say_number(language, "beside_past_due", 40), "US$100.50", "US$1,350.50", "€80.00"):
        assert part in text and part in html
    assert "INV-<4>" in text and "INV-&lt;4&gt;" in html
    assert say_number(language, "beside_past_due", 1) in text
    _, alone, _ = render_alert_raised(alert(language))
    assert say(language, "beside") in text and say(language, "beside") not in alone


def test_of_many_other_invoices_the_oldest_are_shown_and_the_rest_counted() -> None:
    others = tuple(
        Overdue(invoice_id=f"INV-{n:02}", days_past_due=90 - n, open=Money.of("1", "USD"))
        for n in range(BESIDE_SHOWN + 2)
    )
    for part in render_alert_raised(alert(beside=others))[1:]:
        assert "INV-04" in part and "INV-05" not in part
        assert say("en", "beside_more", n=2) in part and "US$1,257.00" in part


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_there_is_room_for_little_the_title_and_two_sentences_say_it(language: Language) -> None:
    title, text = brief(alert(language, customer_name=HOSTILE, days_past_due=35, stage="31-60"))
    assert title == render_alert_raised(alert(language, customer_name=HOSTILE, days_past_due=35))[0]
    first, second = text.split("\n")
    assert "INV-7" in first and "US$1,250.00" in first and second == say(language, "urge.31-60")
    assert "Ann Lee" not in text and "\u202e" not in text


def test_a_picture_travels_with_the_html_and_is_shown_by_its_name() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    message = mail(html='<img src="cid:rhythm" alt="">', pictures=(Picture(name="rhythm", png=png),))
    assert message.get_content_type() == "multipart/alternative"
    plain, related = message.iter_parts()
    assert (plain.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    rich, picture = related.iter_parts()
    assert 'src="cid:rhythm"' in rich.get_content()
    assert (picture["Content-ID"], picture.get_content_disposition(), picture.get_content()) == (
        "<rhythm>", "inline", png
    )  # fmt: skip
    assert message.get_body(("plain",)) is not None and message.get_body(("html",)) is not None
    with pytest.raises(ValueError, match="letters, digits"):
        mail(pictures=(Picture(name="a b", png=png),))


def test_no_decimals_where_the_currency_has_none() -> None:
    assert "¥1,250 open" in render_alert_raised(alert(open=Money.of("1250", "JPY")))[0]


def test_a_name_cannot_add_headers_or_markup() -> None:
    subject, text, html = render_alert_raised(alert(customer_name=HOSTILE, invoice_id=HOSTILE, receiver_name=HOSTILE))
    assert "<script" not in html and "\u202e" not in subject + text + html
    message = mail(subject, text, html, HOSTILE)
    assert message["Bcc"] is None
    assert message["Subject"] == subject and "\n" not in subject
    assert str(message["To"].addresses[0].addr_spec) == "ann@example.test"
    assert len(message["To"].addresses) == 1


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_no_text_at_all_bends_a_mail(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    subject, text, html = render_alert_raised(alert(customer_name=name))
    message = mail(subject, text, html, name)
    assert [key for key, _ in message.items()] == [
        "Message-ID", "Date", "From", "To", "Subject", "Content-Language", "Auto-Submitted", "Content-Type",
        "MIME-Version",
    ]  # fmt: skip
    assert str(message["Subject"]) == subject
    assert message["From"].addresses[0].addr_spec == "alerts@example.test"
    shown, address = parseaddr(str(dict(message.raw_items())["To"]))
    assert (str(make_header(decode_header(shown))), address) == (one_line(name), "ann@example.test")
    plain, rich = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == text
    assert rich.get_content().replace("\r\n", "\n") == html


@settings(deadline=None)
@given(st.text(alphabet='ab =?_,<>"中文éÜ，：\u3000-', max_size=120))
def test_a_subject_arrives_with_every_space(subject: str) -> None:
    assert str(mail(subject)["Subject"]) == one_line(subject)


@settings(deadline=None)
@given(st.text(alphabet='ab =?"\\中é🙂', max_size=200))
def test_no_line_of_a_mail_is_longer_than_it_may_be(text: str) -> None:
    raw = compose_of(subject=text, text=f"{text}\r{text * 9}\n", name=text)
    assert raw.replace(b"\r\n", b"").find(b"\n") == raw.replace(b"\r\n", b"").find(b"\r") == -1
    head, _, body = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 76 for line in head.split(b"\r\n") if b"=?" in line)  # RFC 2047, 2
    assert max(map(len, body.split(b"\r\n"))) <= 998


def test_a_mail_of_ascii_in_lines_that_are_too_long_is_encoded() -> None:
    whole = "x" * 999
    message = mail(text=f"{whole}\n", html="short\n")
    plain, rich = message.iter_parts()
    assert (plain["Content-Transfer-Encoding"], rich["Content-Transfer-Encoding"]) == ("base64", "7bit")
    said = [part.get_content().replace("\r\n", "\n") for part in (plain, rich)]
    assert said == [f"{whole}\n", "short\n"]


def test_the_html_loads_nothing_from_anywhere() -> None:
    _, _, html = render_alert_raised(alert())
    assert not re.search(r"<(script|img|link|iframe|form|object)|@import|url\(", html)
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["http://localhost:8080/alerts/0b9f6c0e?a=1&amp;b=2"]


def test_both_languages_have_all_words() -> None:
    assert {key for key, words in WORDS.items() if set(words) != set(LANGUAGES)} == set()
    assert {key for key, words in WORDS.items() if not all(words.values())} == set()


def test_both_languages_say_the_same_parts() -> None:
    def parts(words: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(words) if name is not None}

    assert {key for key, words in WORDS.items() if parts(words["zh-CN"]) != parts(words["en"])} == set()


def test_words_that_count_have_both_forms() -> None:
    counted = {key.removesuffix(".one") for key in WORDS if key.endswith(".one")}
    assert {key for key in counted if f"{key}.other" not in WORDS} == set()


def test_every_word_of_a_template_exists() -> None:
    source = "".join(path.read_text("utf-8") for path in sorted(TEMPLATES.iterdir()))
    whole = set(re.findall(r'"([\w.+-]+)" \| w\b', source))
    counted = {f"{key}.{form}" for key in re.findall(r'"(\w+)" \| n\b', source) for form in ("one", "other")}
    assert len(whole) > 20 and (whole | counted) - WORDS.keys() == set()


def test_any_chinese_is_served_in_chinese_and_everything_else_in_english() -> None:
    assert [nearest(tag) for tag in ("zh", "zh-CN", "zh-Hant-TW", "ZH")] == ["zh-CN"] * 4
    assert [nearest(tag) for tag in ("en", "en-GB", "de", "", None, "zhx")] == ["en"] * 6
