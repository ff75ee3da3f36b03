"""A database that holds many customers before anything is measured: each with his account, an invoice he has not paid
yet, and that invoice's row in the ledger.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from services.alerts.handlers import alerts_service
from services.chassis.mongo import CODEC, Database, Doc
from services.chassis.plan import Plan
from services.chassis.runtime import Runtime
from tests.bench.ground import Ground
from tests.bench.limit import Prepared, works
from tests.bench.load import Load

_AT_ONCE = 10_000
_OWN, _BEFORE = (
    b"INV-0000001",
    b"INV-9999999",
)  # the load's own invoices begin with the one, and never come to the other


@dataclass(frozen=True)
class Template:
    """A customer's documents as bytes; another customer's differ in his id alone, which is as long."""

    subject: bytes
    documents: dict[str, bytes]

    def of(self, collection: str, subject: str) -> RawBSONDocument:
        """The same document of another customer."""
        return RawBSONDocument(self.documents[collection].replace(self.subject, subject.encode()))


async def fill(ground: Ground, prefix: str, load: Load) -> None:
    """Make the service's collections under `prefix`, and in them every customer of the load."""
    settings = ground.settings(prefix)
    runtime = await Runtime.open(alerts_service(settings.rules), settings)
    await runtime.close()
    template, db = _template(ground, load), ground.database(prefix)
    ground.say(f"making a database of {load.customers:,} customers")
    for first in range(0, load.customers, _AT_ONCE):
        subjects = [load.subject(n) for n in range(first, min(first + _AT_ONCE, load.customers))]
        await asyncio.gather(*(_insert(db, name, template, subjects) for name in template.documents))


async def _insert(db: Database, collection: str, template: Template, subjects: list[str]) -> None:
    # As a command: the driver's insert_many would take each document apart to see its id.
    rows = [template.of(collection, subject) for subject in subjects]
    done = await db.command({"insert": collection, "documents": rows, "ordered": False})
    if done["n"] != len(subjects):
        raise RuntimeError(f"{collection}: {done}")


def _template(ground: Ground, load: Load) -> Template:
    prepared = Prepared(alerts_service(ground.settings("none").rules))
    [work] = works(prepared.service, load, 1, 1)
    subject = work.subject
    assert work.row is not None and work.event is not None
    work.row["_id"] = f"before:{subject}"
    prepared.add([work], 1)
    plan = prepared.plans[0]
    documents = {"ledger": work.row, **{name: _document(plan, name) for name in ("accounts", "items")}}
    made = {name: bson.encode(doc, codec_options=CODEC) for name, doc in documents.items()}
    return Template(subject.encode(), {name: doc.replace(_OWN, _BEFORE) for name, doc in made.items()})


def _document(plan: Plan, name: str) -> Doc:
    write: Any
    [write] = plan.heads.get(name) or plan.parts[name]
    return dict(write._doc)
