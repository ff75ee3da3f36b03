"""By which channels a message goes, and that each of them hears of it once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.channels.mail import MESSAGE_ID
from services.alerts.model.facts import FactKey
from services.alerts.model.notification import (
    LATER_MOST,
    LONGEST_WAIT,
    NO_ADDRESS,
    Channel,
    Notification,
    accepted,
    begun,
    copied,
    copy_key,
    postponed,
    requeued,
    routed,
    sent_as,
    suppressed,
)
from services.alerts.model.staff import Colleague, Way, addresses
from services.alerts.why import last_accepted

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
KEY = "0b9f6c0e/1764000000000"
HOOK = Way(kind="webhook", address="https://receiver.example/a")
MAIL = Way(kind="mail")


def message(**changes: Any) -> Notification:
    given = Notification(
        alert_id="0b9f6c0e",
        reason="raised",
        recipient="staff/E1",
        message_id=sent_as("mail", KEY, "staff/E1"),
        created_at=NOW,
        next_at=NOW,
    )
    return msgspec.structs.replace(given, **changes)


def colleague(*ways: Way, mail: str = "ann@example.test") -> Colleague:
    return Colleague(key=FactKey(time=NOW, source="hr", id="1"), mail=mail, ways=ways)


def anywhere(channel: Channel, address: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("ways", "reached"),
    [
        ((), {"mail": "ann@example.test"}),
        ((MAIL,), {"mail": "ann@example.test"}),
        ((Way(kind="mail", address="other@example.test"),), {"mail": "other@example.test"}),
        ((HOOK,), {"webhook": HOOK.address}),
        ((HOOK, MAIL), {"webhook": HOOK.address, "mail": "ann@example.test"}),
        ((HOOK, Way(kind="webhook", address="https://receiver.example/b")), {"webhook": HOOK.address}),
        ((Way(kind="sms", address="1"), Way(kind="chat", address="2")), {"mail": "ann@example.test"}),
        ((Way(kind="sms", address="1"), HOOK), {"webhook": HOOK.address}),
        ((Way(kind="webhook"),), {"mail": "ann@example.test"}),
    ],
)
def test_a_colleague_is_reached_as_he_wishes_and_by_mail_where_that_is_not_possible(
    ways: tuple[Way, ...], reached: dict[str, str]
) -> None:
    found = addresses(colleague(*ways), anywhere)
    assert found == reached
    assert list(found) == list(reached), "the most wanted first"


def test_where_nobody_may_be_called_he_is_written_to() -> None:
    def mails_only(channel: Channel, address: str) -> bool:
        return channel == "mail"

    assert addresses(colleague(HOOK), mails_only) == {"mail": "ann@example.test"}
    assert addresses(colleague(HOOK, mail=""), mails_only) == {}


def test_the_id_of_a_message_is_what_its_channel_takes_and_the_same_for_ever() -> None:
    mail, hook = sent_as("mail", KEY, "staff/E1"), sent_as("webhook", KEY, "staff/E1")
    assert mail == "<0b9f6c0e.1764000000000@rapport>" and MESSAGE_ID.fullmatch(mail)
    assert hook == sent_as("webhook", KEY, "staff/E1") == "msg_" + hook[4:]
    assert "." not in hook, "a dot divides what is signed"
    others = {sent_as("webhook", KEY, "staff/E2"), sent_as("webhook", KEY + "/webhook", "staff/E1")}
    assert hook not in others and len(others) == 2


def test_a_message_that_goes_another_way_keeps_its_attempts_and_gets_the_id_of_that_way() -> None:
    tried = postponed(begun(message(), NOW, "p1"), NOW, "away")
    hook = routed(tried, KEY, "webhook")
    assert (hook.channel, hook.message_id) == ("webhook", sent_as("webhook", KEY, "staff/E1"))
    assert hook.attempts == tried.attempts
    assert routed(hook, KEY, "mail") == tried


def test_a_copy_is_a_message_of_its_own_and_made_once() -> None:
    first = accepted(begun(message(), NOW, "p1"), NOW, "250")
    copy = copied(first, KEY, "webhook", None)
    assert copy is not None
    assert (copy.channel, copy.state, copy.attempts, copy.accepted_at) == ("webhook", "queued", (), None)
    assert (copy.copy_of, copy.recipient, copy.created_at) == (KEY, "staff/E1", NOW)
    assert copy.message_id == sent_as("webhook", copy_key(KEY, "webhook"), "staff/E1")
    for held in (copy, begun(copy, NOW, "p1"), accepted(begun(copy, NOW, "p1"), NOW, "204"), suppressed(copy, "x")):
        assert copied(first, KEY, "webhook", held) is None


def test_where_the_message_goes_to_a_successor_so_does_its_copy_under_an_id_of_its_own() -> None:
    first = message()
    copy = copied(first, KEY, "webhook", None)
    assert copy is not None
    inherited = requeued(suppressed(first, NO_ADDRESS), "staff/E2", NOW + timedelta(days=1))
    again = copied(inherited, KEY, "webhook", begun(copy, NOW, "p1"))
    assert again is not None
    assert (again.recipient, again.state, again.next_at) == ("staff/E2", "queued", NOW + timedelta(days=1))
    assert again.message_id != copy.message_id
    assert [one.in_doubt for one in again.attempts] == [True], "what was open stays in doubt"


def test_a_receiver_who_asks_for_time_is_left_alone_so_long_but_not_for_ever() -> None:
    open_one = begun(message(), NOW, "p1")
    assert postponed(open_one, NOW, "503").next_at == NOW + timedelta(seconds=5)
    assert postponed(open_one, NOW, "503", asked=timedelta(seconds=1)).next_at == NOW + timedelta(seconds=5)
    assert postponed(open_one, NOW, "503", asked=timedelta(seconds=90)).next_at == NOW + timedelta(seconds=90)
    assert postponed(open_one, NOW, "503", asked=timedelta(days=99_999)).next_at == NOW + LATER_MOST
    assert LATER_MOST > LONGEST_WAIT


@given(st.lists(st.sampled_from(["crash", "away", "busy", "other way"]), max_size=12))
def test_whatever_comes_between_a_message_is_sent_under_one_id_a_way_and_each_crash_is_counted(
    story: list[str],
) -> None:
    one = message()
    names: dict[str, set[str]] = {"mail": set(), "webhook": set()}
    for what in story:
        one = begun(routed(one, KEY, one.channel), NOW, "p1")
        names[one.channel].add(one.message_id)
        if what in ("away", "busy"):
            one = postponed(one, NOW, what, asked=timedelta(seconds=7 if what == "busy" else 0))
        elif what == "other way":
            one = routed(postponed(one, NOW, what), KEY, "webhook" if one.channel == "mail" else "mail")
    one = accepted(begun(one, NOW, "p2"), NOW, "ok")
    assert all(len(held) <= 1 for held in names.values())
    assert one.doubts == story.count("crash")
    assert len(one.attempts) == len(story) + 1


def test_somebody_is_told_when_his_last_message_was_taken_by_any_channel() -> None:
    first = accepted(begun(message(), NOW, "p1"), NOW, "250")
    copy = message(channel="webhook", copy_of=KEY, state="bounced")
    assert last_accepted([first, copy]) == last_accepted([copy, first]) == {"0b9f6c0e"}
    later = message(created_at=NOW + timedelta(days=1))
    assert last_accepted([first, copy, later]) == frozenset()
