"""What a round makes of the messages that are due: held, sent alone, sent together, or left to another channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from services.alerts.channels.outcome import Outcome, Stage, Verdict
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.digest import digest_id
from services.alerts.model.facts import FactKey
from services.alerts.model.notification import Notification, begun, gathered, held_back, postponed, sent_as
from services.alerts.model.staff import Colleague, Digest, Way
from services.alerts.pipeline.compose import Letter, Shelf
from services.alerts.pipeline.letters.parts import Content
from services.alerts.pipeline.opening import Opening
from services.alerts.pipeline.opening import Way as Road
from services.alerts.pipeline.queue import Row
from services.alerts.settings import AlertsSettings

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)  # noon in Shanghai
MORNING = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
HOOK = Way(kind="webhook", address="https://receiver.example/a")
Told = list[str]


class Nobody:
    """Carries nothing: these tests end before."""

    async def send(self, message: Told, /) -> Outcome:
        return Outcome(verdict=Verdict.RETRY, stage=Stage.CONNECT, answer="")

    async def close(self) -> None: ...


def alone(letter: Letter, settings: AlertsSettings) -> Told:
    return [letter.notification.message_id, letter.alert.alert_id]


def together(letters: Sequence[Letter], settings: AlertsSettings, now: datetime) -> Told:
    return [letters[0].notification.message_id, *(one.alert.alert_id for one in letters)]


def opening(
    *names: str, ways: tuple[Way, ...] = (), severity: str = "notice", over: str = "", channel: Any = "mail"
) -> Opening[Told]:
    """A round over alerts of these names; those in `over` are resolved."""
    alerts = {
        name: Alert(
            alert_id=name,
            rule="rule",
            subject=f"C{name}",
            cause="c",
            opening_fact="f",
            opened_on=date(2026, 11, 20),
            raised_at=NOW,
            severity=severity,
            state="resolved" if name in over else "raised",
        )
        for name in names
    }
    who = Colleague(
        key=FactKey(time=NOW, source="hr", id="1"), mail="ann@example.test", ways=ways, digest=Digest(days=(1, 5, 6))
    )
    said = Content("en", "Harbour", "http://x", lambda: ("t", "r"), lambda: ("s", "t", "h"))
    settings = AlertsSettings(webhook_secrets=SecretStr(SECRET))
    shelf = Shelf(
        settings, NOW, alerts, {f"C{name}": Account() for name in names}, {"staff/E1": who},
        {"rule": lambda alert, account, colleague, settings: said},
    )  # fmt: skip
    gather = together if channel == "mail" else None
    return Opening(Road(channel, alone, Nobody(), gather), shelf, NOW, "p1")


def row(name: str, **changes: Any) -> Row:
    fresh = Notification(
        alert_id=name,
        reason="raised",
        recipient="staff/E1",
        message_id=sent_as("mail", name, "staff/E1"),
        created_at=NOW,
        next_at=NOW,
    )
    return Row(f"C{name}", name, msgspec.structs.replace(fresh, **changes))


def held(name: str) -> Row:
    return row(name, state="held")


def after(one: Opening[Told]) -> dict[str, Notification]:
    """The notifications as they will be recorded."""
    return {note.row.key: note.step(note.row.notification) for note in one.notes}


def test_what_is_not_urgent_is_held_until_the_digest_and_a_webhook_is_not() -> None:
    one = opening("a", ways=(Way(kind="mail"), HOOK))
    one.single(row("a"))
    assert after(one)["a"] == held_back(row("a").notification, MORNING) and not one.parcels
    assert one.notes[0].others == ("webhook",), "its copy goes now"
    hook = opening("a", ways=(Way(kind="mail"), HOOK), channel="webhook")
    hook.single(row("a", copy_of="a", channel="webhook"))
    assert after(hook)["a"].state == "sending"


@pytest.mark.parametrize(
    ("severity", "changes"),
    [("serious", {}), ("notice", {"attempts": begun(row("a").notification, NOW, "p0").attempts})],
)
def test_what_is_urgent_and_what_has_been_tried_before_goes_by_itself(severity: str, changes: dict[str, Any]) -> None:
    one = opening("a", severity=severity)
    one.single(row("a", **changes))
    (parcel,) = one.parcels
    assert parcel.message == [sent_as("mail", "a", "staff/E1"), "a"]
    assert after(one)["a"].state == "sending"


def test_those_that_were_held_go_as_one_mail_less_what_is_over() -> None:
    one = opening("a", "b", "c", over="b")
    one.together([held("a"), held("b"), held("c")])
    name = digest_id("staff/E1", ["a", "b", "c"])
    recorded = after(one)
    assert (recorded["b"].state, recorded["b"].why) == ("suppressed", "already_over")
    assert {(recorded[key].state, recorded[key].digest) for key in "ac"} == {("sending", name)}
    packed = one.packed(one.parcels[0], {("Ca", "a"), ("Cc", "c")})
    assert packed is not None and packed.message == [f"<digest.{name}@rapport>", "a", "c"]


def test_what_could_not_be_recorded_is_not_in_the_mail() -> None:
    one = opening("a", "b", "c")
    one.together([held(name) for name in "abc"])
    packed = one.packed(one.parcels[0], {("Ca", "a"), ("Cb", "b")})
    assert packed is not None and packed.message is not None and packed.message[1:] == ["a", "b"]
    assert one.packed(one.parcels[0], set()) is None


def test_a_digest_found_open_is_sent_again_under_its_name_and_what_is_left_of_it_keeps_that() -> None:
    open_ones = [held(name) for name in "ab"]
    open_ones = [
        one._replace(notification=begun(gathered(one.notification, "d"), NOW - timedelta(hours=1), "p0"))
        for one in open_ones
    ]
    one = opening("a", "b", over="b")
    one.together(open_ones)
    assert one.doubts == 1
    recorded = after(one)
    assert (recorded["a"].message_id, recorded["a"].doubts) == ("<digest.d@rapport>", 1)
    assert (recorded["b"].state, recorded["b"].doubts) == ("suppressed", 1), "it may have arrived"
    packed = one.packed(one.parcels[0], {("Ca", "a")})
    assert packed is not None and packed.message == ["<digest.d@rapport>", "a"]


def test_a_digest_that_was_refused_for_now_goes_out_again_as_it_was() -> None:
    tried = [
        one._replace(notification=postponed(begun(gathered(one.notification, "d"), NOW, "p0"), NOW, "451"))
        for one in (held("a"), held("b"))
    ]
    one = opening("a", "b")
    one.together(tried)
    packed = one.packed(one.parcels[0], {("Ca", "a"), ("Cb", "b")})
    assert packed is not None and packed.message == ["<digest.d@rapport>", "a", "b"] and not one.doubts


def test_a_digest_that_would_begin_with_one_letter_is_that_letter() -> None:
    one = opening("a", "b", over="b")
    one.together([held("a"), held("b")])
    (parcel,) = one.parcels
    assert parcel.message == [sent_as("mail", "a", "staff/E1"), "a"]
    assert after(one)["a"].digest == ""


def test_who_has_no_mail_any_more_gets_each_by_his_other_channel() -> None:
    one = opening("a", "b", ways=(HOOK,))
    one.together([held("a"), held("b")])
    assert not one.parcels
    assert {(said.state, said.channel, said.digest) for said in after(one).values()} == {("queued", "webhook", "")}
