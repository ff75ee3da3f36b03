"""What a digest looks like as a mail: what each rule says of an alert in a line, and all of them in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from contracts.money import Money
from services.alerts.channels.render import Line, day, money, templated
from services.alerts.channels.words import Language, say, say_number
from services.alerts.model.alert import SEVERITIES

TONES: Final = {"notice": "#8a5a00", "warning": "#a34700", "serious": "#b02a1c", "critical": "#8c1022"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in a digest."""

    alert_id: str
    rule: str
    severity: str
    link: str
    line: Line


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer in a digest, his gravest alert first."""

    customer_id: str
    name: str
    entries: tuple[Entry, ...]

    @property
    def stake(self) -> dict[str, Decimal]:
        """The money his alerts are about, by currency: the most that one rule speaks of, for what is overdue is also
        owed against the limit.
        """
        by_rule: dict[tuple[str, str], Decimal] = {}
        for entry in self.entries:
            if entry.line.stake is not None:
                place = entry.rule, entry.line.stake.currency
                by_rule[place] = by_rule.get(place, Decimal(0)) + entry.line.stake.amount
        most: dict[str, Decimal] = {}
        for (_, currency), amount in by_rule.items():
            most[currency] = max(most.get(currency, amount), amount)
        return most

    @property
    def severity(self) -> str:
        """That of his gravest alert."""
        return self.entries[0].severity

    @property
    def steps(self) -> list[tuple[Entry, str]]:
        """His alerts, each with what to do; where the next one asks for the same it is said once, behind that."""
        following = [*(entry.line.todo for entry in self.entries[1:]), ""]
        steps = zip(self.entries, following, strict=True)
        return [(one, "" if one.line.todo == next_ else one.line.todo) for one, next_ in steps]


class DigestMail(msgspec.Struct, frozen=True, kw_only=True):
    """All that somebody is told in one mail; `as_of` is the company's day."""

    language: Language
    receiver_name: str
    as_of: date
    customers: tuple[Customer, ...]

    @property
    def alerts(self) -> int:
        """How many alerts it is about."""
        return sum(len(one.entries) for one in self.customers)

    @property
    def stake(self) -> list[Money]:
        """What all of it is about, by currency: never added across them."""
        sums: dict[str, Decimal] = {}
        for one in self.customers:
            for currency, amount in one.stake.items():
                sums[currency] = sums.get(currency, Decimal(0)) + amount
        return [Money(sums[currency], currency) for currency in sorted(sums)]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts of a rule there are, and what they are about."""

    title: str
    count: int
    stake: list[Money]


def ordered(entries: Iterable[tuple[str, str, Entry]]) -> tuple[Customer, ...]:
    """Alerts, each with its customer's id and name, by customer: the gravest first, among equals the most money
    (across currencies the numbers alone decide). The same alert is said once.
    """
    names: dict[str, str] = {}
    held: dict[str, dict[str, Entry]] = {}
    for customer_id, name, entry in entries:
        names[customer_id] = name
        held.setdefault(customer_id, {})[entry.alert_id] = entry
    found = [
        Customer(customer_id=one, name=names[one], entries=tuple(sorted(own.values(), key=_weight)))
        for one, own in held.items()
    ]
    return tuple(sorted(found, key=lambda one: (-_grave(one.severity), -sum(one.stake.values()), one.customer_id)))


def _weight(entry: Entry) -> tuple[int, Decimal, str]:
    stake = entry.line.stake.amount if entry.line.stake is not None else Decimal(0)
    return -_grave(entry.severity), -stake, entry.alert_id


def _grave(severity: str) -> int:
    return SEVERITIES.index(severity)


def render_digest(mail: DigestMail) -> tuple[str, str, str]:
    """(subject, text, html) of the mail to who answers for these customers."""
    said = {
        "alerts": say_number(mail.language, "digest.alerts", mail.alerts),
        "customers": say_number(mail.language, "digest.customers", len(mail.customers)),
        "date": day(mail.as_of, mail.language),
        "stake": _sums(mail.stake, mail.language),
    }
    form = "_stake" if mail.stake else ""
    subject = say(mail.language, f"digest.subject{form}", **said)
    values = {
        "mail": mail,
        "lead": say(mail.language, f"digest.lead{form}", **said),
        "kinds": kinds(mail.customers),
        "sums": lambda stake: _sums(stake, mail.language),
        "stake_of": lambda one: _sums([Money(amount, code) for code, amount in one.stake.items()], mail.language),
        "count": lambda n: say_number(mail.language, "digest.alerts", n),
        "tones": TONES,
    }
    return templated("digest", mail.language, subject, values)


def kinds(customers: Sequence[Customer]) -> list[Kind]:
    """What the digest is about, by rule, the most frequent first."""
    entries: dict[str, list[Entry]] = {}
    for one in customers:
        for entry in one.entries:
            entries.setdefault(entry.line.title, []).append(entry)
    found = [Kind(title=title, count=len(own), stake=_total(own)) for title, own in entries.items()]
    return sorted(found, key=lambda one: -one.count)


def _total(entries: Iterable[Entry]) -> list[Money]:
    sums: dict[str, Decimal] = {}
    for entry in entries:
        if entry.line.stake is not None:
            code = entry.line.stake.currency
            sums[code] = sums.get(code, Decimal(0)) + entry.line.stake.amount
    return [Money(sums[code], code) for code in sorted(sums)]


def _sums(stake: Iterable[Money], language: Language) -> str:
    return say(language, "digest.plus").join(money(one, language) for one in stake)
