"""Rule receivable_over_limit (外欠款预警): what a customer owes comes near his credit limit, or is above it.

Exposure is what is open less unapplied credit, with open orders where the setting says so (methods.md, Trade). From
80 % of the limit on it is a notice, above 100 % a warning; under a limit of 0 anything owed is above it, and where no
limit is set nothing is checked. A limit of one company is held against what is owed to that company, one without a
company against all.

An overdue invoice can be judged on any past day from its own facts. This cannot: what a customer owed on a past day
rests on all his documents, and to bear in mind every day of every one of them would be the ledger over again. So the
present is judged, whenever a fact comes or a day on which something takes hold: an episode begins when the limit is
first seen passed and ends when it is first seen respected, and a fact that comes late ends it on the day it comes. Only
a late limit can prove that an episode never was one, for the most that was owed during it is kept: see `never_was`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

import msgspec

from contracts.money import Money, amount_text
from services.alerts.model.abroad import reached
from services.alerts.model.account import Account
from services.alerts.model.credit import Granted, net_on
from services.alerts.model.episode import Episode
from services.alerts.model.exchange import convert, ratio
from services.alerts.model.quotes import Converted, Quote, conversion, converted_text

RULE: Final = "receivable_over_limit"
NEAR, OVER = 1, 2
WITHIN: Final = "within_limit"
RATE_CHANGED: Final = "rate_changed"
_ZERO: Final = Decimal(0)
_PLACES: Final = Decimal("0.0001")
_SETTING: Final = ("limit", "currency", "company")


class Params(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """`notice`: the share of the limit from which on a notice stands; `grain`: the share of it by which what is owed
    must have changed to be said again while nothing else has; `orders`: open orders count too.
    """

    notice: Decimal = Decimal("0.80")
    grain: Decimal = Decimal("0.10")
    orders: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.notice <= 1:
            raise ValueError(f"notice is {self.notice}; expected a share above 0 and at most 1")
        if self.grain < 0:
            raise ValueError(f"grain is {self.grain}; expected a share of 0 or more")


DEFAULTS: Final = Params()


class Weighed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A customer against a limit, all in `currency`, the limit's.

    `exposure` includes `orders`, what is on order as far as it counts. `utilisation` is exposure / limit to four
    places, None for a limit of 0. `converted` is money of other currencies, as it counts by dated rates; `not_counted`
    is such money without a rate.
    """

    limit: Decimal
    currency: str
    exposure: Decimal
    orders: Decimal
    utilisation: Decimal | None
    stage: int
    converted: tuple[Converted, ...] = ()
    not_counted: tuple[Money, ...] = ()


class Fact(NamedTuple):
    """What led to a judgement: an event, and how it ends an episode if it does. Without `ref`: the calendar. `past`: it
    is of before the company's cut-over.
    """

    ref: str = ""
    outcome: str = WITHIN
    past: bool = False


CALENDAR: Final = Fact()


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An episode that stands. `raised`: an alert was made of it. `most` is the most that was owed during it, in
    `currency`, the limit's; None once that has changed, for amounts of two currencies cannot be compared. `past` as of
    an episode.
    """

    opening_fact: str
    opened_by: tuple[str, ...]
    opened_on: date
    stages: tuple[tuple[date, int], ...]
    currency: str
    most: Decimal | None = None
    raised: bool = False
    past: int = -1


class Judged(NamedTuple):
    """What stands now, and the episode to be laid beside the alert; None where there is none, or never was."""

    standing: Standing | None
    episode: Episode | None


class _Till:
    """Adds up money in a limit's currency by the rates of a day. What has none lies beside."""

    def __init__(self, quotes: tuple[Quote, ...], into: str, day: date) -> None:
        self.quotes, self.into, self.day = quotes, into, day
        self.converted: dict[str, Converted] = {}
        self.missing: dict[str, Decimal] = {}

    def worth(self, amounts: Mapping[str, Decimal]) -> Decimal:
        """What the amounts come to."""
        return sum((self._one(currency, amount) for currency, amount in amounts.items()), _ZERO)

    def _one(self, currency: str, amount: Decimal) -> Decimal:
        if currency == self.into:
            return amount
        by = conversion(self.quotes, currency, self.into, self.day)
        if by is None:
            self.missing[currency] = self.missing.get(currency, _ZERO) + amount
            return _ZERO
        worth = convert(amount, by.rate, self.into)
        one, before = Money(amount, currency), self.converted.get(currency)
        there = Money(worth, self.into)
        if before is not None:
            one, there = before.amount + one, before.worth + there
        self.converted[currency] = Converted(amount=one, worth=there, quotes=by.quotes)
        return worth


def weigh(account: Account, limit: Granted | None, day: date, params: Params) -> Weighed | None:
    """The customer against a limit at the end of a day; None where it is not checked."""
    if limit is None or limit.amount is None:
        return None
    till = _Till(account.rates, limit.currency, reached(account, day))
    owed = till.worth(net_on(account.owed, limit.company, day))
    orders = till.worth(net_on(account.ordered, limit.company, day)) if params.orders else _ZERO
    exposure, missing = owed + orders, till.missing
    return Weighed(
        limit=limit.amount,
        currency=limit.currency,
        exposure=exposure,
        orders=orders,
        utilisation=utilisation(exposure, limit.amount),
        stage=stage(exposure, limit.amount, params),
        converted=tuple(till.converted[currency] for currency in sorted(till.converted)),
        not_counted=tuple(Money(missing[currency], currency) for currency in sorted(missing)),
    )


def stage(exposure: Decimal, limit: Decimal, params: Params) -> int:
    """2 above the limit, 1 from the notice on, else 0. Exactly at the limit is not above it."""
    if exposure > limit:
        return OVER
    return NEAR if limit and exposure >= limit * params.notice else 0


def utilisation(exposure: Decimal, limit: Decimal) -> Decimal | None:
    """exposure / limit to four places; None for a limit of 0."""
    return ratio(exposure, limit).quantize(_PLACES, rounding=ROUND_HALF_EVEN) if limit else None


def cause(company: str) -> str:
    """What an alert is about: the limit of a company, or of all."""
    return f"limit/{company.replace('%', '%25').replace('/', '%2F')}"


def judged(
    subject: str,
    held: Standing | None,
    limit: Granted | None,
    weighed: Weighed | None,
    params: Params,
    today: date,
    fact: Fact,
) -> Judged:
    """What becomes of what stood (`held`), now that the customer is weighed again because of `fact`."""
    if held is not None and never_was(held, limit, params, fact):
        return Judged(None, None)
    company = limit.company if limit is not None else ""
    if limit is not None and weighed is not None and weighed.stage:
        standing = _standing(held, limit, weighed, today, fact)
        return Judged(standing, _episode(subject, company, standing, weighed))
    if held is None:
        return Judged(None, None)
    ended = _episode(subject, company, held, weighed)
    if not fact.ref and limit is not None and limit.valid_from == today:
        fact = Fact(limit.key.ref, limit_outcome(limit))
    because = (fact.ref,) if fact.ref else ()
    return Judged(None, msgspec.structs.replace(ended, closed_on=today, outcome=fact.outcome, because=because))


def never_was(held: Standing, limit: Granted | None, params: Params, fact: Fact) -> bool:
    """Whether a limit that came late shows that the customer was within it all the time.

    It must hold from a day before the episode began, so that it is no answer to it, and leave room for the most that
    was owed during the episode.
    """
    if limit is None or limit.key.ref != fact.ref or limit.valid_from >= held.opened_on:
        return False
    if limit.amount is None:
        return True
    return held.most is not None and limit.currency == held.currency and stage(held.most, limit.amount, params) == 0


def figures(company: str, weighed: Weighed | None) -> dict[str, str]:
    """What a manager reads."""
    if weighed is None:
        return {"company": company} if company else {}
    said = {
        "limit": amount_text(weighed.limit, weighed.currency),
        "exposure": amount_text(weighed.exposure, weighed.currency),
        "currency": weighed.currency,
    }
    if weighed.utilisation is not None:
        said["utilisation"] = format(weighed.utilisation, "f")
    if company:
        said["company"] = company
    if weighed.orders:
        said["orders"] = amount_text(weighed.orders, weighed.currency)
    if weighed.converted:
        said["converted"] = ", ".join(map(converted_text, weighed.converted))
    if weighed.not_counted:
        said["not_counted"] = ", ".join(map(money_text, weighed.not_counted))
    return said


def to_say(told: Mapping[str, str], now: dict[str, str], params: Params) -> dict[str, str]:
    """The figures an alert has to show within a stage: those it was told with, unless they have changed by what a
    reader would act on. That is another limit, other money that is not counted, or an exposure that has moved by the
    grain, a share of the limit, or under a limit of 0 of what was said to be owed.
    """
    if any(told.get(name) != now.get(name) for name in _SETTING) or "exposure" not in told:
        return now
    if _currencies(told) != _currencies(now):
        return now
    was, limit = Decimal(told["exposure"]), Decimal(now["limit"])
    moved = abs(Decimal(now["exposure"]) - was)
    return now if moved and moved >= params.grain * (limit or abs(was)) else dict(told)


def _currencies(figures: Mapping[str, str]) -> set[str]:
    return {text.rpartition(" ")[2] for text in figures.get("not_counted", "").split(", ")}


def money_text(money: Money) -> str:
    """An amount as figures have it: 12.00 USD."""
    return f"{amount_text(money.amount, money.currency)} {money.currency}"


def _standing(held: Standing | None, limit: Granted, weighed: Weighed, today: date, fact: Fact) -> Standing:
    if held is None:
        opening = fact.ref or limit.key.ref
        # The limit may be passed by waiting more than once, each time by money dated ahead.
        again = not fact.ref and limit.valid_from != today
        return Standing(
            opening_fact=f"{opening}/{today.isoformat()}" if again else opening,
            opened_by=(opening,),
            opened_on=today,
            stages=((today, weighed.stage),),
            most=weighed.exposure,
            currency=weighed.currency,
            past=weighed.stage if fact.past else -1,
        )
    stages = held.stages if held.stages[-1][1] == weighed.stage else (held.stages[0], (today, weighed.stage))
    same = held.most is not None and held.currency == weighed.currency
    most = max(held.most, weighed.exposure) if held.most is not None and same else None
    past = weighed.stage if fact.past and stages is not held.stages else held.past
    return msgspec.structs.replace(held, stages=stages, most=most, currency=weighed.currency, past=past)


def limit_outcome(limit: Granted) -> str:
    """How a limit ends an episode."""
    return "limit_lifted" if limit.amount is None else "limit_raised"


def _episode(subject: str, company: str, standing: Standing, weighed: Weighed | None) -> Episode:
    return Episode(
        rule=RULE,
        subject=subject,
        cause=cause(company),
        opening_fact=standing.opening_fact,
        opened_on=standing.opened_on,
        opened_by=standing.opened_by,
        stages=standing.stages,
        past=standing.past,
        figures=figures(company, weighed),
    )
