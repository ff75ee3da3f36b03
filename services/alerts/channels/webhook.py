"""One notification as one call of an address that a colleague has given, signed by Standard Webhooks.

Like a mail it is accepted, refused for good, or put off, and is called again with the same webhook-id, so that a
receiver can tell a repeat. How a receiver checks the signature stands in README.md of this service.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from standardwebhooks import Webhook

from contracts.money import Money
from contracts.payload import Figures, Moment, schema_hook, write_hook
from services.alerts.channels.outcome import Outcome, Stage, Verdict
from services.chassis.outward import AddressRefused, Answer, NoAnswer, Outward, Rules, check_url

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)  # as Standard Webhooks has them
# Somebody is busy, restarting, or elsewhere for the moment; every other 3xx and 4xx will say the same again.
LATER: Final = frozenset({302, 303, 307, 408, 425, 429})


class HookData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a webhook says of an alert: no more of anybody than the mail about it."""

    notification_id: Annotated[str, Meta(description="names this message on the bus and in the API too")]
    alert_id: str
    rule: Annotated[str, Meta(description="receivable_overdue and others; an open set")]
    change: Annotated[str, Meta(description="raised, reopened or stepped_up; an open set")]
    severity: Annotated[str, Meta(description="notice, warning, serious or critical")]
    subject: Annotated[str, Meta(description="the customer's id")]
    subject_name: str
    cause: Annotated[str, Meta(description="what the alert is about, within the customer, such as an invoice")]
    owner_id: Annotated[str, Meta(description="the colleague who is told")]
    language: Annotated[Literal["zh-CN", "en"], Meta(description="his; title and text are written in it")]
    title: str
    text: str
    link: Annotated[str, Meta(description="the alert's page")]
    since: Annotated[date, Meta(description="the day on which the cause began")]
    raised_at: Moment
    amounts: dict[str, Money] = {}
    figures: Figures = {}
    events: Annotated[list[str], Meta(description="the facts that opened it, as source:id")] = []


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook; `timestamp` is when the message was made, the same at every attempt."""

    # Frozen in webhook.v1.json: an optional field may be added, none is taken away or changed.

    type: Annotated[
        str,
        Meta(description="alert.raised.v1 and so on: what has changed; answer 2xx to any you do not know"),
    ]
    timestamp: Moment
    data: HookData


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook to one address. `id` is its webhook-id, the same at every attempt."""

    id: str
    address: str = field(repr=False)  # such an address may hold a secret of its receiver
    body: str


class Keyring:
    """The secrets that sign: those of a receiver's host where it has some, else those for all."""

    def __init__(self, keys: Mapping[str, Sequence[Webhook]]) -> None:
        self._keys = keys

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """From a list separated by blanks: `whsec_…` signs for every receiver, `host=whsec_…` for that host alone.

        Raises ValueError, which names the entry by its place and not by its content.
        """
        keys: dict[str, list[Webhook]] = {}
        for place, entry in enumerate(text.split(), start=1):
            host, _, secret = ("", "", entry) if entry.startswith(PREFIX) else entry.partition("=")
            try:
                raw = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
            except binascii.Error:
                raw = b""
            if not secret.startswith(PREFIX) or len(raw) not in SECRET_BYTES:
                raise ValueError(
                    f"entry {place} must be {PREFIX}… or host={PREFIX}…, with 24 to 64 random bytes in base64"
                )
            keys.setdefault(host.lower(), []).append(Webhook(secret))
        return cls(keys)

    def of(self, address: str, rules: Rules) -> Sequence[Webhook]:
        """What signs for an address; nothing where nobody there could check it, or where it is no address."""
        if not self._keys:
            return ()
        try:
            host = check_url(address, rules).host
        except AddressRefused:
            host = ""
        return self._keys.get(host) or self._keys.get("", ())


class WebhookChannel:
    """Calls receivers. `send` never raises for what a receiver or the network does."""

    def __init__(self, outward: Outward, keys: Keyring) -> None:
        self._outward, self._keys = outward, keys

    async def send(self, hook: Delivery) -> Outcome:
        """Hand one webhook over."""
        keys = self._keys.of(hook.address, self._outward.rules)
        if not keys:
            answer = "no secret signs for this receiver: give him one"
            return Outcome(verdict=Verdict.RETRY, stage=Stage.SENDER, answer=answer)
        try:
            signed = headers(hook, keys, datetime.now(UTC))
            said = await self._outward.post(hook.address, hook.body.encode(), signed)
        except AddressRefused as refused:
            return Outcome(verdict=Verdict.REFUSED, stage=Stage.RECIPIENT, answer=str(refused))
        except NoAnswer as none:
            stage = Stage.MESSAGE if none.sent else Stage.CONNECT
            return Outcome(verdict=Verdict.RETRY, stage=stage, answer=str(none), in_doubt=none.sent)
        return outcome(said)

    async def close(self) -> None:
        """Let go of what is open."""
        await self._outward.close()


def headers(hook: Delivery, keys: Sequence[Webhook], at: datetime) -> dict[str, str]:
    """The headers of an attempt at a moment (UTC), signed by every key, so that one can take another's place."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "rapport",
        "webhook-id": hook.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(key.sign(hook.id, at, hook.body) for key in keys),
    }


def outcome(answer: Answer) -> Outcome:
    """What a status means for the message: 2xx took it, 410 and most of 4xx never will, the rest may later."""
    said = f"{answer.status} {_phrase(answer.status)}".rstrip()
    verdict = Verdict.REFUSED
    if 200 <= answer.status < 300:
        verdict = Verdict.ACCEPTED
    elif answer.status in LATER or answer.status >= 500:
        verdict = Verdict.RETRY
    after = answer.retry_after_s if verdict is Verdict.RETRY else None
    return Outcome(verdict=verdict, stage=Stage.MESSAGE, answer=said, code=answer.status, retry_after_s=after)


def body(hook: Hook) -> str:
    """The JSON that is signed and sent."""
    return msgspec.json.encode(hook, enc_hook=write_hook).decode()


def schema() -> dict[str, object]:
    """The body's JSON Schema, to be compared with the frozen one."""
    return msgspec.json.schema(Hook, schema_hook=schema_hook)


def _phrase(status: int) -> str:
    # Never the server's own: it may say anything.
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
