"""The webhook channel: what is sent, who can check it, and what each answer means."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

import services
from contracts.compat import breaks
from contracts.money import Money
from contracts.schema import text_of
from services.alerts.channels.outcome import Outcome, Stage, Verdict
from services.alerts.channels.webhook import Delivery, Hook, HookData, Keyring, WebhookChannel, body, headers, schema
from services.alerts.settings import AlertsSettings
from services.chassis.outward import Outward, Rules, parse_networks
from tests.chassis.receiver import Receiver, Taken, receiving, status

FROZEN = Path(services.__path__[0]) / "alerts" / "channels" / "webhook.v1.json"
README = Path(services.__path__[0]) / "alerts" / "README.md"


def secret() -> str:
    return f"whsec_{base64.b64encode(os.urandom(32)).decode()}"


def delivery(address: str, **changes: Any) -> Delivery:
    given = Delivery(id="msg_0b9f6c0e", address=address, body='{"type":"alert.raised.v1","data":{"title":"逾期"}}')
    return replace(given, **changes)


def rules(receiver: Receiver, **changes: Any) -> Rules:
    here = Rules(networks=parse_networks("127.0.0.0/8"), ports=frozenset({receiver.port}), http=True, timeout_s=5)
    return replace(here, **changes)


async def sent(receiver: Receiver, keys: str, *, hook: Delivery | None = None, **changes: Any) -> Outcome:
    channel = WebhookChannel(Outward(rules(receiver, **changes)), Keyring.parse(keys))
    try:
        return await channel.send(hook or delivery(receiver.url()))
    finally:
        await channel.close()


def verified(request: Taken, by: str) -> Any:
    return Webhook(by).verify(request.body, request.headers)


async def test_a_receiver_checks_with_the_standards_own_library_that_it_was_us() -> None:
    key = secret()
    async with receiving() as receiver:
        outcome = await sent(receiver, key)
    assert outcome == Outcome(verdict=Verdict.ACCEPTED, stage=Stage.MESSAGE, answer="204 No Content", code=204)
    (request,) = receiver.taken
    assert verified(request, key) == {"type": "alert.raised.v1", "data": {"title": "逾期"}}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_0b9f6c0e"


async def test_what_was_changed_on_the_way_or_signed_by_another_is_found_out() -> None:
    key = secret()
    async with receiving() as receiver:
        await sent(receiver, key)
    (request,) = receiver.taken
    forged: list[tuple[bytes, Mapping[str, str], str]] = [
        (request.body.replace(b"raised", b"seized"), request.headers, key),
        (request.body, request.headers | {"webhook-id": "msg_other"}, key),
        (request.body, request.headers | {"webhook-timestamp": str(int(datetime.now(UTC).timestamp()) - 9)}, key),
        (request.body, request.headers, secret()),
    ]
    for content, given, by in forged:
        with pytest.raises(WebhookVerificationError):
            Webhook(by).verify(content, dict(given))


async def test_while_secrets_change_both_the_old_and_the_new_can_check() -> None:
    old, new = secret(), secret()
    async with receiving() as receiver:
        await sent(receiver, f"{new}\n{old} ")
    (request,) = receiver.taken
    assert len(request.headers["webhook-signature"].split()) == 2
    assert verified(request, old) == verified(request, new)


async def test_a_receiver_with_a_secret_of_his_own_cannot_speak_for_us_to_others() -> None:
    common, own = secret(), secret()
    keys = f"{common} LocalHost={own}"
    async with receiving() as receiver:
        await sent(receiver, keys, hook=delivery(receiver.url("localhost")), networks=parse_networks("127.0.0.0/8,::1"))
        await sent(receiver, keys)
    his, other = receiver.taken
    assert verified(his, own) and verified(other, common)
    for request, wrong in ((his, common), (other, own)):
        with pytest.raises(WebhookVerificationError):
            verified(request, wrong)


async def test_nothing_is_sent_unsigned() -> None:
    async with receiving() as receiver:
        for keys in ("", f"another.example={secret()}"):
            outcome = await sent(receiver, keys)
            assert (outcome.verdict, outcome.stage) == (Verdict.RETRY, Stage.SENDER)
            assert not Keyring.parse(keys).of(receiver.url(), rules(receiver))
        assert receiver.connections == 0


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        *((code, Verdict.ACCEPTED) for code in (200, 201, 202, 204, 299)),
        *((code, Verdict.REFUSED) for code in (300, 301, 304, 308, 400, 401, 403, 404, 405, 409, 410, 413, 422, 451)),
        *((code, Verdict.RETRY) for code in (302, 303, 307, 408, 425, 429, 500, 501, 502, 503, 504, 599)),
    ],
)
async def test_each_status_has_its_meaning(code: int, verdict: Verdict) -> None:
    async with receiving() as receiver:
        receiver.answers = [status(code, "Location: /elsewhere")]
        outcome = await sent(receiver, secret())
        assert (outcome.verdict, outcome.code, outcome.in_doubt) == (verdict, code, False)
        assert receiver.connections == 1


@pytest.mark.parametrize(("code", "asked"), [(503, 90), (429, 90), (410, None), (200, None)])
async def test_who_asks_for_time_is_given_it_where_he_is_called_again_at_all(code: int, asked: float | None) -> None:
    async with receiving() as receiver:
        receiver.answers = [status(code, "Retry-After: 90")]
        assert (await sent(receiver, secret())).retry_after_s == asked


async def test_the_answers_own_words_go_no_further() -> None:
    async with receiving() as receiver:
        receiver.answers = [b"HTTP/1.1 500 Ask ann.lee@example.test\r\nContent-Length: 3\r\n\r\nAnn"]
        outcome = await sent(receiver, secret())
        assert outcome.answer == "500 Internal Server Error"


async def test_an_address_that_must_not_be_called_is_refused_for_good_and_not_repeated_anywhere() -> None:
    async with receiving() as receiver:
        for address in ("https://10.0.0.1/?token=s3cret", "ftp://s3cret", "http://127.0.0.1:1/s3cret", "s3cret"):
            hook = delivery(address)
            outcome = await sent(receiver, secret(), hook=hook)
            assert (outcome.verdict, outcome.stage) == (Verdict.REFUSED, Stage.RECIPIENT)
            assert "s3cret" not in outcome.answer and "s3cret" not in repr(hook)


async def test_without_an_answer_a_retry_can_help_and_only_what_was_sent_is_in_doubt() -> None:
    async with receiving() as receiver:
        receiver.answers = [b""]
        silent = await sent(receiver, secret())
    assert (silent.verdict, silent.stage, silent.in_doubt) == (Verdict.RETRY, Stage.MESSAGE, True)
    away = await sent(receiver, secret())
    assert (away.verdict, away.stage, away.in_doubt) == (Verdict.RETRY, Stage.CONNECT, False)


def test_every_attempt_has_the_same_id_and_body_and_a_signature_of_its_own_moment() -> None:
    keys = Keyring.parse(secret()).of("https://receiver.example/", Rules())
    hook, now = delivery("https://receiver.example/"), datetime.now(UTC)
    first, again = headers(hook, keys, now), headers(hook, keys, now + timedelta(minutes=4))
    assert first["webhook-id"] == again["webhook-id"]
    assert first["webhook-signature"] != again["webhook-signature"]
    assert int(again["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 240


@pytest.mark.parametrize("wrong", ["s3cret", "whsec_", "whsec_s3cret", "whsec_###", "a.example=s3cret", "=whsec_"])
def test_a_secret_that_cannot_sign_stops_the_start_and_is_not_shown(wrong: str) -> None:
    with pytest.raises(ValidationError, match="entry 2 must be") as stopped:
        AlertsSettings(webhook_secrets=SecretStr(f"{secret()} {wrong}"))
    assert "s3cret" not in str(stopped.value)


@pytest.mark.parametrize(
    "wrong", [{"webhook_ports": "https"}, {"webhook_ports": ""}, {"webhook_networks": "10.0.0.1/8"}]
)
def test_a_list_that_cannot_be_read_stops_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AlertsSettings(**wrong)  # type: ignore[arg-type]


# What it says.


def hook(**changes: Any) -> Hook:
    data = HookData(
        notification_id="0b9f/1764000000000",
        alert_id="0b9f",
        rule="receivable_overdue",
        change="reopened",
        severity="notice",
        subject="C00042",
        subject_name="华东示例公司",
        cause="invoice//INV-1",
        owner_id="staff/E1",
        language="zh-CN",
        title="逾期 3 天",
        text="客户……",
        link="http://127.0.0.1:8080/alerts/0b9f",
        since=date(2026, 11, 20),
        raised_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        amounts={"open": Money.of("1200.00", "CNY")},
        figures={"days_past_due": 3, "bucket": "1-30"},
        events=["erp/made:1"],
    )
    return Hook(type="alert.reopened.v1", timestamp=data.raised_at, data=msgspec.structs.replace(data, **changes))


def test_the_body_is_what_was_frozen() -> None:
    frozen, now = json.loads(FROZEN.read_text("utf-8")), json.loads(text_of(schema()))
    assert breaks(frozen["$defs"]["HookData"], now["$defs"]["HookData"]) == []
    assert frozen == now, f"an optional field may be added: then write the text of schema() to {FROZEN.name}"


def test_the_body_is_type_timestamp_and_data_with_money_as_text() -> None:
    said = json.loads(body(hook()))
    assert list(said) == ["type", "timestamp", "data"]
    assert (said["type"], said["timestamp"]) == ("alert.reopened.v1", "2026-11-20T09:30:00Z")
    assert said["data"]["amounts"] == {"open": {"amount": "1200.00", "currency": "CNY"}}
    assert said["data"]["title"] == "逾期 3 天" and "逾期" in body(hook())


def test_the_receiver_of_the_readme_takes_it_once_and_turns_a_forger_away() -> None:
    text = README.read_text("utf-8").split("### A receiver")[1].split("```python\n")[1].split("```")[0]
    shown: list[str] = []
    room: dict[str, Any] = {"show": lambda *words: shown.append(" ".join(words))}
    exec(compile(text, "README.md", "exec"), room)  # noqa: S102 - it is our own page
    key = secret()
    given = delivery("https://receiver.example/", body=body(hook()))
    signed = headers(given, Keyring.parse(key).of(given.address, Rules()), datetime.now(UTC))
    assert room["receive"](given.body.encode(), signed, key) == 204
    assert room["receive"](given.body.encode(), signed, key) == 204
    assert shown == ["逾期 3 天 http://127.0.0.1:8080/alerts/0b9f"], "a repeat is taken, and shown once"
    assert room["receive"](given.body.encode(), signed, secret()) == 401
    assert room["receive"](b"{}", signed, key) == 401
