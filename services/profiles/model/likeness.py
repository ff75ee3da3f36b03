"""What two customers must share to be suspected to be one. Each reason is one a person can check, and a key that the
database finds: nothing is said to be *similar*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from services.profiles.model.customer import Customer

# How much each shared key says (ours): a registration number is one customer's, a number that two systems have given
# may be chance.
WEIGHTS: Final = {"registration": 8, "phone": 5, "mail": 5, "name": 3, "number": 1}
COMMON: Final = 20  # a key that so many have (a switchboard's number) says nothing
_FORMS: Final = re.compile(
    r"(有限责任公司|股份有限公司|有限公司|公司)$|\b(co|company|ltd|limited|inc|llc|gmbh|plc|corp|corporation)\b"
)
_LEAST: Final = {"name": 2, "phone": 7, "mail": 5, "registration": 6, "number": 3}


def likeness(account: str, customer: Customer) -> tuple[str, ...]:
    """The keys under which others that may be the same customer are found, such as `name:华东示例`; sorted."""
    found = {f"{kind}:{text}" for kind, text in _keys(account, customer) if len(text) >= _LEAST[kind]}
    return tuple(sorted(found))


def _keys(account: str, customer: Customer) -> Iterator[tuple[str, str]]:
    for number in (account.partition(":")[2] or account, *(link.local_id for link in customer.links)):
        if any(sign.isdigit() for sign in number):
            yield "number", _bare(number)
    basic = customer.organisation.basic if customer.organisation is not None else None
    names = [customer.name, basic.registered_name if basic is not None else None]
    for name in names:
        if name is not None:
            yield "name", _bare(_FORMS.sub("", unicodedata.normalize("NFKC", name).casefold().strip()))
    if basic is not None and basic.registration_number is not None:
        yield "registration", _bare(basic.registration_number)
    person = customer.person.basic if customer.person is not None else None
    for reached in (basic, person):
        if reached is not None and reached.phone is not None:
            yield "phone", _phone(reached.phone)
        if reached is not None and reached.mail is not None:
            yield "mail", reached.mail.casefold().strip()


def _bare(text: str) -> str:
    """Letters and digits alone, in one form: full width and half width, large and small are the same."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


def _phone(text: str) -> str:
    """Its digits, without what only those abroad dial."""
    digits = "".join(sign for sign in unicodedata.normalize("NFKC", text) if sign.isdigit())
    for prefix in ("0086", "86"):
        if digits.startswith(prefix) and len(digits) - len(prefix) >= 10:
            return digits.removeprefix(prefix)
    return digits


def shared(own: Iterable[str], others: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Who shares what with somebody who has the keys `own`: the reasons by account, the most telling account first."""
    wanted = set(own)
    holders: dict[str, list[str]] = {key: [] for key in wanted}
    for account, keys in others.items():
        for key in wanted.intersection(keys):
            holders[key].append(account)
    reasons: dict[str, set[str]] = {}
    for key, accounts in holders.items():
        for account in accounts if len(accounts) <= COMMON else ():
            reasons.setdefault(account, set()).add(key.partition(":")[0])
    told = {account: sorted(kinds, key=lambda kind: (-WEIGHTS[kind], kind)) for account, kinds in reasons.items()}
    return dict(sorted(told.items(), key=lambda one: (-sum(WEIGHTS[kind] for kind in one[1]), one[0])))
