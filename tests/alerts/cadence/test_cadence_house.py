"""The cadence on a real database: what the API shows, and priors that are fitted, published and brought to bear."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from random import Random

import pytest
from pydantic import SecretStr

from contracts.events.profiles import ProfileChanged
from deploy.local.stack import Stack
from services.alerts import fitting
from services.alerts.api import build
from services.alerts.fitting import Fitter
from services.alerts.handlers import alerts_service
from services.alerts.learning import known_priors
from services.alerts.model.cadence.priors import untried
from services.alerts.reads import rhythm_of
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, RHYTHMS
from services.chassis.auth import Role
from services.chassis.mongo import find
from services.chassis.refold import refold_subject, refold_to
from services.chassis.runtime import Runtime
from services.chassis.work import tick_work
from tests.alerts.apikit import House
from tests.alerts.cadence.rhythmkit import bought

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    settings = AlertsSettings(
        home=tmp_path_factory.mktemp("home"),
        mongo_uri=SecretStr(stack.mongo),
        mongo_database_prefix=f"cadence_{uuid.uuid4().hex[:10]}",
        alerts_holidays="none",
    )
    rules = settings.rules
    runtime = await Runtime.open(alerts_service(rules), settings)
    try:
        made = House(runtime, settings)
        made.app = build(runtime, rules)
        yield made
    finally:
        await runtime.client.drop_database(settings.database)
        runtime.client.close()


async def buys(one: House, customer: str, ago: Sequence[int]) -> None:
    """He bought so many days ago."""
    for days in ago:
        await one.tell(bought(f"P-{days}", one.ago(days)), customer, "shop")


async def tick(one: House) -> None:
    """The clock comes to every rhythm that is due."""
    _, rhythm_due = one.runtime.service.ticks[RHYTHMS.name]
    for row in await find(one.runtime.db, RHYTHMS.name, {"due": {"$lte": one.runtime.now()}}):
        await one.runtime.applier.apply([tick_work(RHYTHMS, ACCOUNTS, rhythm_due, row["s"], row["k"], row["due"])])


async def test_who_has_few_gaps_is_not_judged_yet(one: House) -> None:
    customer = await one.customer(owner="staff/r1")
    async with one.client(Role.MANAGER, "staff/r1") as client:
        empty = (await client.get(f"/customers/{customer}/cadence?lang=en")).json()
        assert (empty["state"], empty["gaps"], empty["last_days"]) == ("not_judged", 0, [])
        await buys(one, customer, (30, 20, 10))
        few = (await client.get(f"/customers/{customer}/cadence?lang=zh-CN")).json()
        assert (few["state"], few["gaps"], few["silent_days"]) == ("not_judged", 2, 10)
        assert few["sentences"] == ["尚不作判断：至少需要 4 个购买日（3 个间隔），目前有 2 个间隔。"]
        assert "alarm_on" not in few
    async with one.client(Role.MANAGER, "staff/else") as client:
        assert (await client.get(f"/customers/{customer}/cadence")).status_code == 404


async def test_who_is_in_rhythm_sees_the_day_of_warning(one: House) -> None:
    customer = await one.customer(owner="staff/r1")
    await buys(one, customer, range(93, 0, -10))
    async with one.client(Role.ANALYST) as client:
        shown = (await client.get(f"/customers/{customer}/cadence?lang=en")).json()
    assert (shown["state"], shown["gaps"], shown["usual_gap"]) == ("in_rhythm", 9, 10.0)
    assert shown["last_purchase"] == one.ago(3).isoformat()
    assert shown["last_days"] == [one.ago(days).isoformat() for days in (43, 33, 23, 13, 3)]
    assert shown["expected_next"] in {one.ago(-7).isoformat(), one.ago(-8).isoformat()}
    assert shown["alarm_on"] > shown["expected_next"]
    assert shown["reach_days"] > 10
    assert (shown["earlier_late"], shown["budget"]) == (False, 0.1)
    assert "alarm" not in shown


@pytest.mark.parametrize(("role", "word"), [("intermediary", "进货"), ("consumer", "购买")])
async def test_who_is_silent_has_an_alert_that_says_why(one: House, role: str, word: str) -> None:
    customer = await one.customer(owner="staff/r1")
    profile = ProfileChanged(revision=2, kind="organisation", name="示例商行", external_role=role)  # type: ignore[arg-type]
    await one.tell(profile, customer)
    await buys(one, customer, range(190, 90, -10))
    await tick(one)
    card = await rhythm_of(one.runtime.db, customer)
    async with one.client(Role.MANAGER, "staff/r1") as client:
        shown = (await client.get(f"/customers/{customer}/cadence?lang=zh-CN")).json()
        assert (shown["state"], shown["alarm"]["id"]) == ("alarm", card.alerts[0])
        listed = (await client.get(f"/alerts?customer={customer}")).json()["items"]
        assert [(item["id"], item["rule"], item["kind"]) for item in listed] == [
            (card.alerts[0], "purchase_slowdown", "stop")
        ]
        chinese = (await client.get(f"/alerts/{card.alerts[0]}?lang=zh-CN")).json()
        english = (await client.get(f"/alerts/{card.alerts[0]}?lang=en")).json()
    why = chinese["why"]["sentences"]["why"]
    assert f"客户 示例商行 通常每 10.0 天{word}一次" in why[0]
    assert "usually has a gap of 10.0 days" in english["why"]["sentences"]["why"][0]
    assert why[-1].startswith("触发规则")
    assert (chinese["why"]["rule"]["budget"], chinese["why"]["figures"]["rhythm"]["kind"]) == (0.1, "stop")
    assert [event["type"] for event in chinese["why"]["events"]] == ["rapport.purchase.made.v1"] * 5


async def test_priors_are_fitted_to_whole_days_published_and_brought_to_bear(
    one: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "LOOK_SECONDS", 0.0)
    chance = Random(1)
    for n in range(25):
        ago = sorted({chance.randrange(0, 240) for _ in range(14)} | {230 - n}, reverse=True)
        await buys(one, f"made-{n}", ago)
    fitter = Fitter(one.runtime, one.settings.rules)
    fitter.rules = one.app.state.rules
    await fitter.round()
    assert (await known_priors(one.runtime.db)).fitted == (), "a history may just be loading: it is looked at twice"
    await fitter.round()
    (prior,) = (await known_priors(one.runtime.db)).fitted
    assert prior.fitted_to == one.ago(1)
    assert prior.valid_from > one.today
    assert prior.priors != untried(0.1)
    rows = await find(one.runtime.db, "ledger", {"t": "rapport.prior.fitted.v1"})
    assert sorted(row["s"] for row in rows) == ["prior/activity", "prior/cadence"]
    (activity,) = (await known_priors(one.runtime.db, "activity")).activity
    assert (activity.valid_from, activity.fitted_to) == (prior.valid_from, prior.fitted_to)
    assert [one.params for one in fitter.rules.churn.timeline] == [activity.params]
    assert await find(one.runtime.db, "outbox", {"type": "rapport.prior.fitted.v1"}) or rows
    assert fitter.rules.cadence.latest == prior.valid_from
    stale = {"state.course.latest": {"$exists": True, "$lt": prior.valid_from.isoformat()}}
    assert await find(one.runtime.db, RHYTHMS.name, stale) == []
    assert await find(one.runtime.db, RHYTHMS.name, {"state.course.latest": prior.valid_from.isoformat()})
    await fitter.round()
    assert len((await known_priors(one.runtime.db)).fitted) == 1
    await _same_when_refolded(one, "made-3")
    again = one.settings.rules
    reopened = await Runtime.open(alerts_service(again), one.settings)
    reopened.client.close()
    assert again.cadence.timeline == fitter.rules.cadence.timeline, "known before the first fold"


async def _same_when_refolded(one: House, customer: str) -> None:
    before = await find(one.runtime.db, RHYTHMS.name, {"s": customer})
    await refold_subject(one.runtime.applier, ACCOUNTS, customer, await refold_to(one.runtime.applier))
    assert await find(one.runtime.db, RHYTHMS.name, {"s": customer}) == before


async def test_the_days_before_a_day_are_all_that_a_fit_sees(one: House) -> None:
    customer = await one.customer()
    await buys(one, customer, (9, 5, 0))
    days = await fitting.purchase_days(one.runtime.db, one.ago(5) + timedelta(days=1))
    assert days[customer] == [one.ago(9), one.ago(5)]
    assert max(map(max, days.values())) <= one.ago(5)
    assert date.min not in days[customer]
