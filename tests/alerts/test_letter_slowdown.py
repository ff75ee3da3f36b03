"""What a message about a purchase_slowdown says, in both languages and in both of a mail's parts."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Literal, get_args

import msgspec
import pytest

from services.alerts.cadence import Cadence
from services.alerts.channels.mail import Mail, compose
from services.alerts.channels.render import EventBehind, day
from services.alerts.channels.render_slowdown import SlowdownMail, brief_slowdown, pictures, render_slowdown
from services.alerts.channels.words import LANGUAGES, Language, say, say_number
from services.alerts.model.account import Account
from services.alerts.model.facts import FactKey
from services.alerts.model.rules.purchase_slowdown import RULE
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters import LETTERS
from services.alerts.pipeline.letters.slowdown import days_around, letter
from services.alerts.settings import AlertsSettings
from tests.alerts.cadence.cadencekit import PRIORS, days_of
from tests.alerts.cadence.cadencekit import day as numbered
from tests.alerts.cadence.rhythmkit import DAY, Customer, bought
from tests.alerts.cadence.test_cadence_told import ALWAYS, DUE, LAST, REGULAR
from tests.alerts.letterkit import BUYING, HEADING, HOSTILE, ROLES, numbers, seen

Kind = Literal["stop", "slowdown"]


def given(language: Language = "en", **changes: object) -> SlowdownMail:
    mail = SlowdownMail(
        language=language,
        **HEADING,
        role="intermediary",
        kind="stop",
        last_purchase=date(2026, 10, 2),
        usual_gap="10.3",
        expected_by=date(2026, 10, 12),
        silent_days=34,
        raised_on=date(2026, 11, 5),
        p=Decimal("0.0042"),
        reach_days=33,
        budget=0.1,
        days=(date(2026, 9, 12), date(2026, 9, 21), date(2026, 10, 2)),
        events=(EventBehind(id="e-1", source="shop/x", name="purchase.made"),),
    )
    return msgspec.structs.replace(mail, **changes)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("role", ROLES)
def test_text_and_html_say_the_same_of_every_kind_to_everybody(language: Language, kind: Kind, role: str) -> None:
    mail = given(language, kind=kind, role=role)
    subject, text, html = render_slowdown(mail)
    buying = BUYING[language, role]
    rich = seen(html)
    lead = brief_slowdown(mail)[1].split("\n")[0]
    figures = [lead, "Harbour Trading", "C00042", "10.3", "0.42%", say_number(language, "days", 34), "e-1", "shop/x"]
    figures += [day(one, language) for one in (*mail.days, mail.expected_by, mail.raised_on)]
    figures += [say_number(language, "rhythm.later", gap) for gap in (9, 11)]
    figures += [say(language, f"rhythm.todo.{step}", buying=buying) for step in ("call", "check")]
    figures += [say(language, "rhythm.reach", days=33), mail.slowing, RULE, "0b9f6c0e", say(language, "owner")]
    for figure in figures:
        assert figure in text
        assert figure in rich
    assert numbers(text.replace(mail.link, "").partition("\n1. ")[0]) <= numbers(rich)
    assert numbers(rich) <= numbers(text)
    assert buying in text
    others = {word for (spoken, _), word in BUYING.items() if spoken == language} - {buying}
    assert not any(re.search(rf"\b{word}s?\b" if language == "en" else word, lead + subject) for word in others)
    assert mail.link in text and f'href="{mail.link.replace("&", "&amp;")}"' in html
    assert f'<html lang="{language}">' in html


def test_the_two_kinds_are_told_apart() -> None:
    for language in LANGUAGES:
        stop, slowdown = (render_slowdown(given(language, kind=kind))[1] for kind in get_args(Kind))
        assert stop != slowdown
    assert "Orders may have stopped" in render_slowdown(given())[1]
    assert "可能已停止进货" in render_slowdown(given("zh-CN"))[1]


def test_the_subject_says_who_how_long_and_what_is_usual() -> None:
    assert render_slowdown(given())[0] == (
        "Orders less often: Harbour Trading, no order for 34 days, usually one every 10.3 days"
    )
    chinese = given("zh-CN", role="consumer", customer_name="长" * 200)
    subject, text, _ = render_slowdown(chinese)
    assert subject == f"购买频率下降：{'长' * 39}…，已 34 天没有购买，通常每 10.3 天一次"
    assert "长" * 200 in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_there_is_room_for_little_two_sentences_say_it(language: Language) -> None:
    title, text = brief_slowdown(given(language, customer_name=HOSTILE))
    first, second = text.split("\n")
    assert title == render_slowdown(given(language, customer_name=HOSTILE))[0]
    assert "34" in first and "10.3" in first and second
    assert "\u202e" not in title + text and "\r" not in title + text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_travels_with_the_mail_and_its_words_say_what_it_shows(language: Language) -> None:
    mail = given(language, bought_since=1, days=(*given().days, date(2026, 11, 10)))
    subject, text, html = render_slowdown(mail)
    message = message_from_bytes(
        compose(
            Mail(
                message_id="<a@b>",
                sender="alerts@example.test",
                to="ann@example.test",
                subject=subject,
                text=text,
                html=html,
                language=language,
                sent_at=datetime(2026, 11, 20, tzinfo=UTC),
                pictures=pictures(mail),
            )
        ),
        _class=EmailMessage,
        policy=default,
    )
    _, related = message.iter_parts()
    rich, picture = related.iter_parts()
    (shown,) = re.findall(r'<img src="cid:([^"]*)" alt="([^"]*)"', rich.get_content())
    assert picture["Content-ID"] == f"<{shown[0]}>"
    assert picture.get_content().startswith(b"\x89PNG")
    for one in (*mail.days, mail.raised_on):
        assert day(one, language) in shown[1] and day(one, language) in text
    assert "34" in shown[1]
    assert say(language, "rhythm.since", n=1, buying=mail.buying) in text


def test_no_name_gets_markup_into_the_mail() -> None:
    event = EventBehind(id=HOSTILE, source=HOSTILE, name=HOSTILE)
    mail = given(customer_name=HOSTILE, customer_id=HOSTILE, receiver_name=HOSTILE, alert_id=HOSTILE, events=(event,))
    subject, text, html = render_slowdown(mail)
    assert "<script" not in html and html.count("<img") == 1
    assert "\u202e" not in subject + html and "\n" not in subject
    assert "\nBcc" not in text


def test_what_is_not_known_is_not_shown_and_no_chance_is_shown_as_none_at_all() -> None:
    _, text, html = render_slowdown(given(reach_days=None, receiver_name="", p=Decimal("1e-09"), events=()))
    for part in (text, seen(html)):
        assert "99 of 100" not in part and "None" not in part and "<0.01%" in part
    assert text.startswith("Good day,\n")


@pytest.fixture(scope="module")
def customer() -> Customer:
    """A dealer who bought every ten days and then not before the deadline had passed."""
    one = Customer(ALWAYS)
    for on in days_of(REGULAR):
        one.take(bought(f"P-{on}", on), at=one.at(on))
    one.wait(one.at(numbered(DUE) + DAY) + timedelta(seconds=1))
    return one


def written(customer: Customer, language: Language = "zh-CN") -> SlowdownMail:
    (alert,) = customer.alerts
    key = FactKey(time=datetime(2026, 1, 1, tzinfo=UTC), source="hr", id="1")
    colleague = Colleague(key=key, mail="ann@example.test", name="Ann", language=language)
    rows = {ref: {"t": "rapport.purchase.made.v1", "n": 4} for ref in alert.opened_by}
    account = Account(name="Harbour", role="intermediary")
    return letter(alert, customer.card.course, account, colleague, AlertsSettings(), ALWAYS, rows)


def test_an_alarm_is_written_with_the_days_behind_it(customer: Customer) -> None:
    mail = written(customer)
    assert (mail.kind, mail.usual_gap, mail.last_purchase) == ("stop", "10.0", numbered(LAST))
    assert (mail.raised_on, mail.silent_days) == (numbered(DUE), DUE - LAST)
    assert mail.days == tuple(days_of(REGULAR)[-5:])
    assert [(one.source, one.name) for one in mail.events] == [("shop", "purchase.made")] * 5
    assert mail.reach_days is not None and mail.reach_days > 10
    assert mail.budget == Cadence().budget and PRIORS.budget == mail.budget
    assert "10.0 天" in render_slowdown(mail)[1]


def test_a_purchase_since_stands_beside_them_and_the_reach_is_no_longer_said() -> None:
    one = Customer(ALWAYS)
    late = numbered(DUE + 5)
    for on in (*days_of(REGULAR), late):
        one.take(bought(f"P-{on}", on), at=one.at(on))
    mail = written(one, "en")
    assert mail.days == (*days_of(REGULAR)[-5:], late)
    assert mail.last_purchase == numbered(LAST) and mail.reach_days is None
    assert days_around(one.card.course, numbered(0)) == (numbered(0),), "of another gap no more is known"


def test_the_rule_has_its_letter() -> None:
    assert RULE in LETTERS
