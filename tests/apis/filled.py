"""All services of the suite as processes, with something in each, for whoever asks them anything.

A service is here by being among `services.operate.SERVICES`; what its addresses can be asked for is found by asking.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import httpx
from pymongo import MongoClient

from deploy.local import services
from deploy.local.running import prepare
from deploy.local.stack import Stack
from services.chassis.auth import Access, Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from services.gateway.model.scope import TAKEN
from services.operate import SERVICES
from tests.gateway.letterkit import publish, record_of
from tests.waiting import until

PREFIX = "anyrequest"
ALL = tuple(Role)
# After these nothing would be left to ask for.
LAST = ("rapport.customer.erased.v1", "rapport.trade.withdrawn.v1", "rapport.staff.left.v1")
# What no list tells, by the address it stands in.
KNOWN = {"/staff": ["E017", "E-nobody"], "/imports/kind": ["invoices", "customers", "nothing"]}
_PARAMETER = re.compile(r"{(\w+)}")


def tables() -> dict[str, Access]:
    """Who may call what, by service."""
    return {name: importlib.import_module(f"services.{name}.api").ACCESS for name in sorted(SERVICES)}


@dataclass
class Suite:
    """The running services, and what is known to be there, by address."""

    stack: Stack
    running: dict[str, services.Running]
    known: dict[str, list[str]] = field(default_factory=lambda: dict(KNOWN))
    cursors: dict[str, list[str]] = field(default_factory=dict)

    def token(self, *roles: Role) -> str:
        """A token of somebody with these roles."""
        return LocalIssuer(Settings(home=self.stack.home)).issue("staff/E017", roles)

    def client(self, name: str, *roles: Role) -> httpx.Client:
        """A caller of a service; without roles he has no token."""
        headers = {"Authorization": f"Bearer {self.token(*roles)}"} if roles else {}
        return httpx.Client(base_url=self.running[name].url, headers=headers, timeout=30)

    def document(self, name: str) -> dict[str, Any]:
        """The OpenAPI document of a service."""
        with self.client(name, *ALL) as client:
            found: dict[str, Any] = client.get("/openapi.json").json()
            return found

    def look(self) -> None:
        """Find out what can be asked for: ids and cursors of every list."""
        for name in self.running:
            with self.client(name, *ALL) as client:
                for path, operations in self.document(name)["paths"].items():
                    if "get" in operations and "{" not in path and not path.startswith("/healthz"):
                        self._listed(client, path)

    def _listed(self, client: httpx.Client, path: str) -> None:
        answer = client.get(path, params={"limit": 1})
        if answer.headers.get("content-type") != "application/json" or answer.status_code != 200:
            return
        first, whole = answer.json(), client.get(path).json()
        if not isinstance(whole, dict) or not isinstance(whole.get("items"), list):
            return
        if first.get("next"):
            self.cursors.setdefault(path, []).append(first["next"])
        ids = [one.get("id", one.get("name")) for one in whole["items"] if isinstance(one, dict)]
        self.known[path] = [*self.known.get(path, []), *(str(one) for one in ids[:20] if one is not None)]

    def config(self, name: str) -> str:
        """Schemathesis' settings by which half of its requests to a service name what is there."""
        lines = _dictionary("etags", [f'"v{n}"' for n in range(1, 6)])
        operations = []
        for path, found in self.document(name)["paths"].items():
            for method, operation in found.items():
                given = self._parameters(path, operation)
                if not given:
                    continue
                lines += [line for key, values in given.items() if values for line in _dictionary(key, values)]
                named = dict(_bindings(given))
                operations += ["[[operations]]", f"include-name = {json.dumps(f'{method.upper()} {path}')}"]
                operations += ["[operations.parameters]"]
                operations += [
                    f'"{place}" = {{ dictionary = "{key}", probability = 0.5 }}' for place, key in named.items()
                ]
        return "\n".join([*lines, *operations]) + "\n"

    def _parameters(self, path: str, operation: Mapping[str, Any]) -> dict[str, list[str]]:
        """By name of a dictionary (its place is part of it): the values."""
        given: dict[str, list[str]] = {}
        under = path.split("/{", maxsplit=1)[0]
        mark = re.sub(r"[\W_]+", "-", f"{operation.get('operationId', path)}")
        for name in _PARAMETER.findall(path):
            values = self.known.get(f"{under}/{name}") or self.known.get(under)
            if (values and name != "kind") or f"{under}/{name}" in self.known:
                given[f"{mark}__path__{name}"] = list(values or [])
        for one in operation.get("parameters", ()):
            if one["in"] == "header" and one["name"].lower() == "if-match":
                given[f"etags__header__{one['name']}"] = []
            if one["in"] == "query" and one["name"] == "cursor" and self.cursors.get(path):
                given[f"{mark}__query__cursor"] = self.cursors[path]
        return given


def _dictionary(key: str, values: list[str]) -> list[str]:
    return [f"[dictionaries.{json.dumps(key)}]", f"values = {json.dumps(values)}"]


def _bindings(given: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    for key, values in given.items():
        mark, place, name = key.split("__", 2)
        yield f"{place}.{name}", key if values else mark


def events() -> list[dict[str, Any]]:
    """Something of every kind that other systems say, and a customer with an overdue invoice."""
    now = datetime.now(UTC)
    found = []
    for kind in sorted(TAKEN - set(LAST)):
        folder = resources.files("contracts") / "examples" / kind
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.name.startswith("valid-"):
                found.append({**json.loads(file.read_text("utf-8")), "id": f"{PREFIX}/{kind}/{file.name}"})
    said = {"specversion": "1.0", "source": "erp/made", "time": now.isoformat()}
    money = {"amount": "1250.50", "currency": "CNY"}
    due = {"issued_on": str((now - timedelta(days=60)).date()), "due_on": str((now - timedelta(days=30)).date())}
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("staff.registered", "staff/E017", {"name": "Chen Example", "mail": "chen@company.example", "language": "en"}),
    ]
    for n in range(3):
        card = {"kind": "organisation", "name": f"Example {n} Ltd", "relation": "current", "owner_id": "staff/E017"}
        told += [
            ("customer.registered", f"C-made-{n}", card | {"external_role": "intermediary"}),
            ("invoice.issued", f"C-made-{n}", {"invoice_id": f"INV-{n}", "total": money} | due),
        ]
    for n, (kind, subject, data) in enumerate(told):
        found.append(said | {"id": f"{PREFIX}/{n}", "type": f"rapport.{kind}.v1", "subject": subject, "data": data})
    return found


def fill(suite: Suite) -> None:
    """Say it, and wait until each service has made something of it."""
    with suite.client("gateway", *ALL) as client:
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        answer = client.post("/events", content=json.dumps(events()), headers=batch)
        assert answer.status_code in (200, 207), answer.text
        grant = {"name": "made", "sources": ["erp/made"], "takes": ["rapport.trade"]}
        assert client.post("/sources", json=grant).status_code == 201
        rows = "invoice,customer,currency,issue_date,due_date,amount\nM-1,C-made-1,CNY,2026-01-02,2026-02-01,5.00\n"
        content = (rows + "M-2,C-made-1,CNY,?,2026-02-01,5.00\n").encode()
        assert client.post("/imports/invoices?source=erp/made", content=content).status_code == 202
    bad = {"source": "erp/made", "type": "rapport.invoice.issued.v1", "specversion": "1.0", "subject": "C-made-1"}
    letters = [bad | {"id": f"{PREFIX}/bad/{n}", "time": "2026-11-02T09:00:00Z", "data": {"n": n}} for n in range(5)]
    asyncio.run(publish(suite.stack.kafka, "rapport.trade", map(record_of, letters)))
    asyncio.run(until(lambda: _there(suite), "something in every list", deadline_s=60, every_s=0.2))
    suite.look()


def _there(suite: Suite) -> bool:
    wanted = {"profiles": ["/customers"], "alerts": ["/alerts"], "gateway": ["/letters", "/imports", "/sources"]}
    for name, paths in wanted.items():
        with suite.client(name, *ALL) as client:
            if not all(client.get(path).json().get("items") for path in paths):
                return False
    return True


@contextmanager
def suite_on(stack: Stack) -> Iterator[Suite]:
    """All services on a stack, with databases of their own, which go at the end."""
    prepare(stack)
    started: list[services.Running] = []
    try:
        for name in sorted(SERVICES):
            env = {
                "RAPPORT_MONGO_DATABASE_PREFIX": PREFIX,
                "RAPPORT_KAFKA_GROUP": f"{PREFIX}.{name}",
                "RAPPORT_LOG_LEVEL": "error",
                "RAPPORT_ALERTS_SMTP_PORT": "9",
            }
            started.append(services.start_service(stack, name, env, instance="anyrequest"))
        services.wait_ready(started)
        suite = Suite(stack, {one.name: one for one in started})
        fill(suite)
        yield suite
    finally:
        services.stop(started, stack)
        client: MongoClient[dict[str, Any]] = MongoClient(stack.mongo)
        for name in SERVICES:
            client.drop_database(f"{PREFIX}_{name}")
        client.close()
