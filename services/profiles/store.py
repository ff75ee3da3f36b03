"""Documents of the profiles service, their indexes, and what readers ask of them."""

from __future__ import annotations

import msgspec

from contracts.events.profiles import ProfileChanged
from contracts.payload import write_hook
from services.chassis.aggregate import Head, Part, named
from services.chassis.mongo import Database, Doc, Index, find, from_doc
from services.chassis.roots import accounts_of
from services.profiles.model.consents import ConsentBook
from services.profiles.model.customer import Customer
from services.profiles.model.limits import Limit, LimitBook
from services.profiles.model.owners import Tenure
from services.profiles.model.staff import Staff


class ToldTenure(Tenure, frozen=True, kw_only=True, omit_defaults=True):
    """A tenure as it was said because of `cause`; `fact` is what it rests on, where that is another one."""

    cause: str = ""
    fact: str = ""


class ToldLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A limit as it was said; `cause` and `fact` as of a tenure."""

    limit: Limit
    company: str = ""
    cause: str = ""
    fact: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What others have been told of a party: the last snapshot with its revision, and owners and limits in the order in
    which they were said.
    """

    snapshot: ProfileChanged | None = None
    tenures: tuple[ToldTenure, ...] = ()
    limits: tuple[ToldLimit, ...] = ()


CUSTOMERS = Head(
    "customers",
    Customer,
    clocked=True,
    # What a system says of an account stays that account's: nothing here is added up over several; the root's holds.
    gathers=False,
    indexes=(
        Index((("state.owner.owner_id", 1), ("_id", 1))),
        Index((("state.owner.deputy_id", 1), ("_id", 1))),
        Index((("state.name", 1), ("_id", 1))),
        Index((("state.alike", 1),), partial={"state.alike": {"$exists": True}}),
    ),
)
LIMITS = Part("limits", LimitBook, CUSTOMERS)
CONSENTS = Part("consents", ConsentBook, CUSTOMERS)
STAFF = Head("staff", Staff, clocked=True, indexes=(Index((("state.card.token_subject", 1),)),))
# Not derived: what was said cannot be unsaid by a refold, and revisions go on from where they were.
TOLD = Part("told", Told, CUSTOMERS, derived=False)
STAFF_TOLD = Part("staff_told", Told, STAFF, derived=False)
LAST = "\U0010ffff"  # sorts behind every character of a name
MOST_ALIKE = 500
PARTS = (LIMITS, CONSENTS, TOLD, STAFF_TOLD)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as stored, with the version of his documents; `root`: the account he is merged into."""

    id: str
    version: int
    customer: Customer
    root: str = ""


async def customer(db: Database, customer_id: str) -> Found | None:
    """One customer; None where there is none, or where he was erased."""
    found = await _found(db, [{"_id": customer_id}], sort=[("_id", 1)], limit=1)
    return found[0] if found else None


async def customers(
    db: Database,
    *,
    of: list[str] | None = None,
    owner: str | None = None,
    prefix: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int,
) -> list[Found]:
    """Customers by id, or by name and id where a `prefix` of the name is asked for.

    `of` leaves those for whom one of these people answers, as owner or deputy; `owner` those with that owner. `after`
    is name and id of the last one seen; without a prefix the name does not count.
    """
    where: list[Doc] = []
    if of is not None:
        where.append({"$or": [{f"state.owner.{part}": {"$in": of}} for part in ("owner_id", "deputy_id")]})
    if owner is not None:
        where.append({"state.owner.owner_id": owner})
    if prefix is None:
        if after is not None:
            where.append({"_id": {"$gt": after[1]}})
        return await _found(db, where, sort=[("_id", 1)], limit=limit)
    where.append({"state.name": {"$gte": prefix, "$lt": prefix + LAST}})
    if after is not None:
        name, last = after
        where.append({"$or": [{"state.name": {"$gt": name}}, {"state.name": name, "_id": {"$gt": last}}]})
    return await _found(db, where, sort=[("state.name", 1), ("_id", 1)], limit=limit)


async def _found(db: Database, where: list[Doc], *, sort: list[tuple[str, int]], limit: int) -> list[Found]:
    docs = await find(db, CUSTOMERS.name, {"$and": [{"state": {"$exists": True}}, *where]}, sort=sort, limit=limit)
    return [
        Found(id=doc["_id"], version=doc["v"], customer=from_doc(doc["state"], Customer), root=doc.get("root", ""))
        for doc in docs
    ]


async def some(db: Database, accounts: list[str]) -> dict[str, Found]:
    """Those of these accounts that are known."""
    return {one.id: one for one in await _found(db, [{"_id": {"$in": accounts}}], sort=[("_id", 1)], limit=0)}


async def alike(db: Database, keys: list[str]) -> list[Found]:
    """Customers that have one of these keys (likeness.py), some hundreds at most."""
    where: list[Doc] = [{"state.alike": {"$in": keys, "$exists": True}}]
    return await _found(db, where, sort=[("_id", 1)], limit=MOST_ALIKE) if keys else []


async def merged(db: Database, customer_id: str) -> list[tuple[str, Customer, list[LimitBook]]]:
    """The accounts merged into a customer, each as its systems state it; one that nobody has registered is empty."""
    accounts = (await accounts_of(db, CUSTOMERS, customer_id))[1:]
    found = await some(db, accounts)
    stated = {account: found[account].customer if account in found else Customer() for account in accounts}
    return [(account, customer, await limits(db, account)) for account, customer in stated.items()]


async def limits(db: Database, customer_id: str) -> list[LimitBook]:
    """A customer's limits, a book for each legal entity."""
    docs = await find(db, LIMITS.name, {"s": customer_id}, sort=[("_id", 1)])
    return [from_doc(doc["state"], LimitBook) for doc in docs]


async def consents(db: Database, customer_id: str) -> list[ConsentBook]:
    """A customer's consents, a book for each purpose."""
    docs = await find(db, CONSENTS.name, {"s": customer_id}, sort=[("_id", 1)])
    return [from_doc(doc["state"], ConsentBook) for doc in docs]


async def staff(db: Database, staff_id: str) -> Staff | None:
    """One colleague; None where nobody has registered him."""
    docs = await find(db, STAFF.name, {"_id": staff_id, "state": {"$exists": True}}, limit=1)
    return from_doc(docs[0]["state"], Staff) if docs else None


async def identities(db: Database, token_subject: str) -> list[str]:
    """The ids under which the bearer of a token may answer for customers.

    These are the colleagues whose cards name the token's subject; where none does, the subject itself, unless that is
    the id of a colleague who is called otherwise. Who has left has none.
    """
    docs = await find(db, STAFF.name, {"state.card.token_subject": token_subject})
    if docs:
        return [doc["_id"] for doc in docs if not from_doc(doc["state"], Staff).gone]
    namesake = await staff(db, token_subject)
    if namesake is not None and (namesake.gone or (namesake.card is not None and namesake.card.token_subject)):
        return []
    return [token_subject]


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Everything this service holds about a party, by collection: his documents, each fact as it came, and what could
    not be taken; the same of each of his other accounts. Ready for JSON.
    """
    own, *others = await accounts_of(db, CUSTOMERS, subject)
    held = await _held(db, own)
    accounts = [{"account": account, "held": await _held(db, account)} for account in others]
    return held | ({"accounts": accounts} if accounts else {})


async def _held(db: Database, subject: str) -> dict[str, list[Doc]]:
    held: dict[str, list[Doc]] = {}
    for kind in (CUSTOMERS, STAFF, *PARTS):
        where = {"_id": subject} if isinstance(kind, Head) else {"s": subject}
        docs = await find(db, kind.name, where | {"state": {"$exists": True}}, sort=[("_id", 1)])
        held[kind.name] = [_plain(from_doc(doc["state"], kind.type)) for doc in docs]
    rows = await find(db, "ledger", {"s": subject}, sort=[("at", 1), ("o", 1)])
    held["facts"] = [_fact(row) for row in rows if "d" in row]
    letters = await find(db, "dead", {"subject": subject}, sort=[("_id", 1)])
    held["dead"] = [_letter(letter) for letter in letters]
    return {name: docs for name, docs in held.items() if docs}


def _fact(row: Doc) -> Doc:
    source, event_id = named(row["_id"])
    time = row["time"].isoformat()
    return {"source": source, "id": event_id, "type": row["t"], "time": time, "data": msgspec.json.decode(row["d"])}


def _letter(letter: Doc) -> Doc:
    said = {name: letter[name] for name in ("source", "event_id", "type", "reason", "message") if letter.get(name)}
    content = {"value": bytes(letter["value"]).decode(errors="replace")} if letter.get("value") else {}
    return {**said, **content, "at": letter["at"].isoformat()}


def _plain(value: msgspec.Struct) -> Doc:
    plain: Doc = msgspec.to_builtins(value, enc_hook=write_hook)
    return plain
