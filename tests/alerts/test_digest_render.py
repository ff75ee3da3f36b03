"""What a digest says: what matters most first, by customer; each figure in text and HTML, in both languages."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from html import unescape

import msgspec
import pytest

from contracts.money import Money
from services.alerts.channels.render import Line, line_overdue
from services.alerts.channels.render_digest import Customer, DigestMail, Entry, kinds, ordered, render_digest
from services.alerts.channels.render_over_limit import LimitMail, line_limit
from services.alerts.channels.render_slowdown import line_slowdown
from services.alerts.channels.words import LANGUAGES, Language, say
from services.alerts.pipeline.letters.parts import Content
from tests.alerts.test_letter_slowdown import given as slowdown
from tests.alerts.test_mail_render import HOSTILE
from tests.alerts.test_mail_render import alert as overdue

TODAY = date(2026, 10, 5)
LINK = "http://localhost:8080/alerts/"


def limit(language: Language = "en", **changes: object) -> LimitMail:
    given = LimitMail(
        language=language,
        alert_id="l-1",
        link=f"{LINK}l-1",
        customer_id="C1",
        customer_name="Harbour",
        limit=Money.of("100.00", "USD"),
        exposure=Money.of("130.00", "USD"),
        utilisation=Decimal("1.3"),
        as_of=TODAY,
        stage=2,
        notice=Decimal("0.8"),
    )
    return msgspec.structs.replace(given, **changes)


def entry(name: str, severity: str = "notice", amount: str = "", rule: str = "receivable_overdue") -> Entry:
    stake = Money.of(amount, "USD") if amount else None
    line = Line(title=rule, number=amount, reason=f"because of {name}", todo="call", stake=stake)
    return Entry(alert_id=name, rule=rule, severity=severity, link=LINK + name, line=line)


def digest(language: Language, customers: tuple[Customer, ...]) -> DigestMail:
    return DigestMail(language=language, receiver_name="Ann Lee", as_of=TODAY, customers=customers)


def all_three(language: Language) -> tuple[Customer, ...]:
    lines = {
        "o-1": ("notice", line_overdue(overdue(language), TODAY)),
        "l-1": ("warning", line_limit(limit(language), TODAY)),
        "s-1": ("warning", line_slowdown(slowdown(language), date(2026, 11, 9))),
    }
    entries = {
        name: Entry(alert_id=name, rule=name, severity=severity, link=LINK + name, line=line)
        for name, (severity, line) in lines.items()
    }
    whose = {"o-1": ("C1", "Harbour"), "l-1": ("C1", "Harbour"), "s-1": ("C2", "海港贸易")}
    return ordered((*whose[name], one) for name, one in entries.items())


def test_the_gravest_come_first_and_among_equals_the_most_money_both_of_customers_and_of_their_alerts() -> None:
    customers = ordered(
        [
            ("C1", "one", entry("small", amount="5.00")),
            ("C2", "two", entry("large", amount="900.00")),
            ("C1", "one", entry("grave", "warning")),
            ("C3", "three", entry("middle", amount="50.00")),
            ("C3", "three", entry("middling", amount="60.00")),
        ]
    )
    assert [one.customer_id for one in customers] == ["C1", "C2", "C3"]
    assert [[held.alert_id for held in one.entries] for one in customers] == [
        ["grave", "small"], ["large"], ["middling", "middle"]
    ]  # fmt: skip


def test_what_is_overdue_is_not_added_to_what_is_owed_and_currencies_never_are() -> None:
    yuan = Line(title="t", reason="r", todo="call", stake=Money.of("7.00", "CNY"))
    entries = [
        ("C1", "one", entry("a", amount="40.00")),
        ("C1", "one", entry("b", amount="60.00")),
        ("C1", "one", entry("c", "warning", "130.00", "receivable_over_limit")),
        ("C2", "two", msgspec.structs.replace(entry("d"), line=yuan)),
    ]
    mail = digest("en", ordered(entries))
    assert mail.stake == [Money.of("7.00", "CNY"), Money.of("130.00", "USD")]
    subject = render_digest(mail)[0]
    assert subject == "Digest of 5 October 2026: 4 alerts about 2 customers, CN¥7.00 + US$130.00 at stake"
    assert next((one.title, one.count) for one in kinds(mail.customers)) == ("receivable_overdue", 2)


def test_an_alert_that_came_back_before_the_digest_is_said_once() -> None:
    (customer,) = ordered([("C1", "one", entry("a")), ("C1", "one", entry("a"))])
    assert len(customer.entries) == 1


def test_what_to_do_is_said_once_where_it_is_the_same() -> None:
    (customer,) = ordered([("C1", "one", entry(name)) for name in "abc"])
    assert [todo for _, todo in customer.steps] == ["", "", "call"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_hold_number_reason_advice_and_link_of_every_alert(language: Language) -> None:
    mail = digest(language, all_three(language))
    subject, text, html = render_digest(mail)
    shown = " ".join(unescape(re.sub(r"<[^>]+>", " ", html[html.index("<body") :])).split())
    for one in mail.customers:
        for part in (one.name, one.customer_id):
            assert part in text and part in shown
        for held in one.entries:
            assert f"{LINK}{held.alert_id}\n" in text and f'href="{LINK}{held.alert_id}"' in html
            for part in (held.line.title, held.line.number, held.line.reason, held.line.todo):
                assert part and part in text and part in shown, part
    assert "4" not in subject and "US$1,250.00" in subject
    for words in (text, shown):
        assert "US$130.00" in words and "130%" in words and say(language, "digest.order") in words
    assert ("海港贸易" in text) and ("{" not in text + html)


def test_the_figures_are_those_of_the_digests_day() -> None:
    assert "is 4 days late" in line_overdue(overdue(), TODAY).reason
    assert "is 65 days late" in line_overdue(overdue(), date(2026, 12, 5)).reason
    assert line_overdue(overdue(), date(2026, 12, 5)).todo == say("en", "urge.61-90")
    assert line_slowdown(slowdown(), date(2026, 11, 9)).number == "38 days"
    since = slowdown(bought_since=1)
    assert line_slowdown(since, date(2026, 11, 9)).number == "34 days", "he has bought since: that silence is over"


@pytest.mark.parametrize("kind", ["near", "over", "none"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_way_of_passing_a_limit_is_told_apart(language: Language, kind: str) -> None:
    changes: dict[str, dict[str, object]] = {
        "near": {"stage": 1},
        "over": {},
        "none": {"limit": Money.of("0.00", "USD"), "utilisation": None},
    }
    line = line_limit(limit(language, **changes[kind]), TODAY)
    assert line.todo == say(language, f"limit.urge.{kind}") and line.number == "US$130.00"
    assert ("130%" in line.reason) == (kind != "none")


def test_a_rule_without_words_for_digests_says_what_it_says_in_a_few_lines() -> None:
    content = Content("en", "Harbour", LINK, lambda: ("Title", "Reason.\nAdvice."), lambda: ("", "", ""))
    assert content.in_digest(TODAY) == Line(title="Title", reason="Reason.", todo="Advice.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_bends_the_mail(language: Language) -> None:
    (customer,) = ordered([("C1", HOSTILE, entry("a"))])
    subject, text, html = render_digest(msgspec.structs.replace(digest(language, (customer,)), receiver_name=HOSTILE))
    assert "<script>" not in html and "\u202e" not in text + html + subject
    assert not re.search(r"^Bcc:", text, re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_alert_about_one_customer_is_not_put_in_the_plural(language: Language) -> None:
    subject = render_digest(digest(language, ordered([("C1", "one", entry("a"))])))[0]
    assert (
        subject
        == {
            "en": "Digest of 5 October 2026: 1 alert about 1 customer",
            "zh-CN": "预警汇总（2026年10月5日）：1 位客户，1 条预警",
        }[language]
    )
