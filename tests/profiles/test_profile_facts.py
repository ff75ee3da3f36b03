"""What profiles makes of the facts it takes, fact by fact."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from contracts.envelope import encode_data
from contracts.events.customers import (
    ConsentChanged,
    CreditLimitSet,
    CustomerChanged,
    CustomerErased,
    CustomerLinked,
    CustomerRegistered,
    Learnt,
    OwnerAssigned,
)
from contracts.events.lifecycle import LimitChanged, OwnerChanged, ProfileErased, StandingChanged
from contracts.events.profile_groups import Basic, Family, Person, Personality
from contracts.events.profiles import ProfileChanged
from contracts.events.staff import StaffChanged, StaffLeft, StaffRegistered
from contracts.money import Money
from contracts.payload import Payload
from services.chassis.aggregate import Stored
from services.chassis.erase import unregistered
from services.profiles.handlers import profiles_service
from services.profiles.model.consents import granted
from services.profiles.model.facts import CompanyDays
from services.profiles.store import CONSENTS, CUSTOMERS, LIMITS, STAFF, TOLD
from tests.desk import Sender, TestDesk, moment, payloads

SERVICE = profiles_service(CompanyDays(ZoneInfo("Asia/Shanghai")))
NOW = moment("2026-03-10T04:00:00")
CRM, ERP = Sender("crm"), Sender("erp")


@pytest.fixture
def desk() -> TestDesk:
    return TestDesk(SERVICE, NOW)


def registered(**more: object) -> CustomerRegistered:
    fields: dict[str, object] = {"kind": "person", "name": "Li Lei", "relation": "current", "external_role": "consumer"}
    return CustomerRegistered(**fields | more)  # type: ignore[arg-type]


def changed(**more: object) -> CustomerChanged:
    return CustomerChanged(**msgspec.structs.asdict(registered(**more)))


def tell(desk: TestDesk, payload: Payload, *, at: datetime = NOW, subject: str = "C-1", sender: Sender = CRM) -> None:
    """One fact, said `at` and read at once."""
    desk.take(sender.event(payload, subject, at), at=at)


def hours(n: int) -> datetime:
    return NOW + timedelta(hours=n)


def snapshots(desk: TestDesk) -> list[ProfileChanged]:
    return payloads(desk.said, ProfileChanged)


def owners(desk: TestDesk) -> list[tuple[str, str | None]]:
    return [(str(one.valid_from), one.owner_id) for one in payloads(desk.said, OwnerChanged)]


def test_a_registration_is_said_as_standing_and_snapshot(desk: TestDesk) -> None:
    tell(desk, registered(group="g1", territory="north", parent_id="C-0", language="en"))
    assert [event.type.removeprefix("rapport.") for event in desk.said] == ["standing.changed.v1", "profile.changed.v1"]
    assert payloads(desk.said, StandingChanged) == [
        StandingChanged(
            valid_from=date(2026, 3, 10), group="g1", territory="north", parent_id="C-0", relation="current"
        )
    ]
    (snapshot,) = snapshots(desk)
    assert (snapshot.revision, snapshot.name, snapshot.group, snapshot.language) == (1, "Li Lei", "g1", "en")


def test_the_day_of_a_standing_is_the_companys(desk: TestDesk) -> None:
    tell(desk, registered(), at=moment("2026-03-10T23:30:00-02:00"))
    (standing,) = payloads(desk.said, StandingChanged)
    assert standing.valid_from == date(2026, 3, 11)


def test_only_given_fields_are_replaced(desk: TestDesk) -> None:
    tell(desk, registered(group="g1", person=Person(basic=Basic(phone="1", title="Dr"), family=Family(children=1))))
    tell(desk, changed(territory="north", person=Person(basic=Basic(phone="2"))), at=hours(1), sender=ERP)
    customer = desk.value(CUSTOMERS, "C-1")
    assert customer is not None and customer.person is not None
    assert (customer.group, customer.territory) == ("g1", "north")
    assert customer.person == Person(basic=Basic(phone="2"), family=Family(children=1))
    assert customer.stamps["group"].key.source == "crm"
    assert customer.stamps["person/basic"].key.source == "erp"


def test_a_late_statement_fills_gaps_and_overwrites_nothing(desk: TestDesk) -> None:
    tell(desk, registered(group="new"), at=hours(2))
    desk.take(CRM.event(changed(name="Old Name", group="old", territory="north"), "C-1", NOW), at=hours(3))
    last = snapshots(desk)[-1]
    assert (last.name, last.group, last.territory, last.revision) == ("Li Lei", "new", "north", 2)


def test_a_value_carries_how_it_was_learnt(desk: TestDesk) -> None:
    learnt = Learnt(source="fair", learnt_on=date(2026, 3, 1), by="staff/3")
    tell(desk, registered(learnt=learnt))
    customer = desk.value(CUSTOMERS, "C-1")
    assert customer is not None
    assert customer.stamps["name"].learnt == learnt


def test_what_others_may_not_know_changes_no_revision(desk: TestDesk) -> None:
    tell(desk, registered())
    before = len(desk.said)
    tell(desk, changed(person=Person(basic=Basic(ethnicity="Han"), family=Family(children=2))), at=hours(1))
    tell(desk, CustomerLinked(system="shop", local_id="77"), at=hours(1))
    tell(desk, ConsentChanged(purpose="mailing", granted=True), at=hours(1))
    assert len(desk.said) == before


def test_nothing_that_is_said_holds_a_word_of_the_profile_groups(desk: TestDesk) -> None:
    secret = Person(
        basic=Basic(ethnicity="SECRET", phone="SECRET", mail="SECRET", address="SECRET"),
        family=Family(note="SECRET"),
        personality=Personality(temper="SECRET"),
    )
    tell(desk, registered(person=secret, owner_id="staff/1"))
    assert len(desk.said) == 3
    assert not [event for event in desk.said if b"SECRET" in encode_data(event.data)]


def test_owner_and_limit_are_said_before_anybody_has_registered_the_customer(desk: TestDesk) -> None:
    tell(desk, OwnerAssigned(owner_id="staff/1", since=date(2026, 3, 1)))
    tell(desk, CreditLimitSet(limit=Money.of("10", "CNY"), valid_from=date(2026, 1, 1)))
    assert [type(event.data) for event in desk.said] == [OwnerChanged, LimitChanged]
    tell(desk, registered(), at=hours(1))
    assert snapshots(desk)[-1].owner_id == "staff/1"


def test_an_owner_ahead_is_said_at_once_and_shown_when_his_day_begins(desk: TestDesk) -> None:
    tell(desk, registered())
    tell(desk, OwnerAssigned(owner_id="staff/1", since=date(2026, 3, 1)))
    tell(desk, OwnerAssigned(owner_id="staff/2", since=date(2026, 3, 15), deputy_id="staff/9"), at=hours(1))
    assert owners(desk) == [("2026-03-01", "staff/1"), ("2026-03-15", "staff/2")]
    assert snapshots(desk)[-1].owner_id == "staff/1"
    assert desk.due(CUSTOMERS, "C-1") == moment("2026-03-14T16:00:00")
    said = desk.advance(moment("2026-03-14T16:00:01"))
    assert [(one.owner_id, one.deputy_id) for one in payloads(said, ProfileChanged)] == [("staff/2", "staff/9")]
    assert len(said) == 1
    assert desk.due(CUSTOMERS, "C-1") is None


def test_a_late_assignment_to_an_earlier_day_does_not_take_a_later_one_back(desk: TestDesk) -> None:
    tell(desk, registered())
    tell(desk, OwnerAssigned(owner_id="staff/2", since=date(2026, 3, 5)), at=hours(1))
    tell(desk, OwnerAssigned(owner_id="staff/1", since=date(2026, 2, 1)), at=hours(2))
    assert owners(desk) == [("2026-03-05", "staff/2"), ("2026-02-01", "staff/1")]
    assert snapshots(desk)[-1].owner_id == "staff/2"


def test_an_assignment_between_two_of_the_same_owner_does_not_last_beyond_the_second(desk: TestDesk) -> None:
    tell(desk, OwnerAssigned(owner_id="staff/1", since=date(2026, 1, 1)))
    tell(desk, OwnerAssigned(owner_id="staff/1", since=date(2026, 3, 1)))
    tell(desk, OwnerAssigned(owner_id="staff/2", since=date(2026, 2, 1)))
    assert owners(desk) == [("2026-01-01", "staff/1"), ("2026-02-01", "staff/2"), ("2026-03-01", "staff/1")]


def test_an_owner_named_with_the_other_fields_counts_from_that_day(desk: TestDesk) -> None:
    tell(desk, registered(owner_id="staff/1"))
    tell(desk, changed(owner_id="staff/1"), at=hours(30))
    tell(desk, changed(owner_id="staff/2"), at=hours(60))
    assert owners(desk) == [("2026-03-10", "staff/1"), ("2026-03-13", "staff/2")]
    assert [one.owner_id for one in snapshots(desk)] == ["staff/1", "staff/2"]


def test_an_assignment_made_later_wins_over_an_owner_named_before(desk: TestDesk) -> None:
    tell(desk, registered(owner_id="staff/1"))
    tell(desk, OwnerAssigned(owner_id="staff/2", since=date(2026, 3, 1), deputy_id="staff/9"), at=hours(1))
    assert snapshots(desk)[-1].owner_id == "staff/2"
    tell(desk, changed(owner_id="staff/2"), at=hours(2))
    assert (snapshots(desk)[-1].owner_id, snapshots(desk)[-1].deputy_id) == ("staff/2", "staff/9")
    assert owners(desk)[1:] == [("2026-03-01", "staff/2"), ("2026-03-10", "staff/2")]


def test_limits_are_kept_by_company_and_day(desk: TestDesk) -> None:
    tell(desk, CreditLimitSet(limit=Money.of("100", "CNY"), valid_from=date(2026, 2, 1), grace_days=5))
    tell(desk, CreditLimitSet(limit=None, valid_from=date(2026, 1, 1)), at=hours(1))
    tell(desk, CreditLimitSet(limit=Money.of("7", "JPY"), valid_from=date(2026, 1, 1), company="jp"), at=hours(1))
    tell(desk, CreditLimitSet(limit=Money.of("100", "CNY"), valid_from=date(2026, 2, 1), grace_days=5), at=hours(2))
    assert payloads(desk.said, LimitChanged) == [
        LimitChanged(limit=Money.of("100", "CNY"), valid_from=date(2026, 2, 1), grace_days=5),
        LimitChanged(limit=None, valid_from=date(2026, 1, 1)),
        LimitChanged(limit=Money.of("7", "JPY"), valid_from=date(2026, 1, 1), company="jp"),
    ]
    book = desk.value(LIMITS, "C-1")
    assert book is not None
    assert [str(one.limit.valid_from) for one in book.limits] == ["2026-01-01", "2026-02-01"]


def test_a_late_word_about_the_same_day_of_a_limit_changes_nothing(desk: TestDesk) -> None:
    tell(desk, CreditLimitSet(limit=Money.of("2", "CNY"), valid_from=date(2026, 2, 1)), at=hours(2))
    desk.take(CRM.event(CreditLimitSet(limit=Money.of("1", "CNY"), valid_from=date(2026, 2, 1)), "C-1", NOW))
    assert [one.limit for one in payloads(desk.said, LimitChanged)] == [Money.of("2", "CNY")]


def test_consents_are_kept_by_purpose_and_channel_with_their_history(desk: TestDesk) -> None:
    tell(desk, ConsentChanged(purpose="mailing", granted=True, stated_on=date(2026, 1, 1)))
    tell(desk, ConsentChanged(purpose="mailing", granted=False, channel="sms", stated_on=date(2026, 2, 1)))
    tell(desk, ConsentChanged(purpose="mailing", granted=False, stated_on=date(2025, 1, 1)))
    book = desk.value(CONSENTS, "C-1", "mailing")
    assert book is not None
    assert len(book.statements) == 3
    assert (granted(book), granted(book, "sms"), granted(book, "mail")) == (True, False, True)
    assert not granted(None)


def test_links_to_other_systems_are_kept_once_each(desk: TestDesk) -> None:
    for at in (hours(2), hours(1), hours(3)):
        tell(desk, CustomerLinked(system="shop", local_id="77"), at=at)
    tell(desk, CustomerLinked(system="erp", local_id="D-5"), at=hours(4))
    customer = desk.value(CUSTOMERS, "C-1")
    assert customer is not None
    assert [(one.system, one.local_id) for one in customer.links] == [("erp", "D-5"), ("shop", "77")]
    assert customer.links[1].key.time == hours(1)


def test_an_erasure_is_said_and_nothing_stays(desk: TestDesk) -> None:
    tell(desk, registered(), at=NOW)
    tell(desk, CreditLimitSet(limit=None, valid_from=date(2026, 1, 1)))
    tell(desk, CustomerErased(), at=hours(1))
    assert desk.said[-1].data == ProfileErased(erased_at=hours(1))
    assert desk.tombstones == [("rapport.profiles", "C-1")]
    assert desk.value(CUSTOMERS, "C-1") is None
    assert desk.value(TOLD, "C-1") is None
    assert desk.every(LIMITS, "C-1") == {}
    tell(desk, changed(), at=hours(2))
    assert [(dead.reason, dead.bare) for dead in desk.dead] == [("erased", True)]


def test_the_service_says_how_it_erases_and_exports() -> None:
    assert unregistered([SERVICE]) == []


@pytest.mark.parametrize("subject", ["staff/7", "unit/sales", "territory/north"])
def test_a_party_that_is_no_customer_is_refused_as_customer(desk: TestDesk, subject: str) -> None:
    tell(desk, registered(), subject=subject)
    (dead,) = desk.dead
    assert (dead.reason, dead.field) == ("bad_attribute", "subject")
    assert "expected a customer account" in dead.message


def test_a_colleague_without_the_prefix_of_staff_is_refused(desk: TestDesk) -> None:
    tell(desk, StaffRegistered(name="Wang"), subject="7")
    (dead,) = desk.dead
    assert (dead.reason, dead.field) == ("bad_attribute", "subject")
    assert "expected staff/" in dead.message


def test_nobody_is_his_own_parent(desk: TestDesk) -> None:
    tell(desk, registered(parent_id="C-1"))
    assert [dead.reason for dead in desk.dead] == ["bad_field"]
    assert desk.value(CUSTOMERS, "C-1") is None


WANG = "staff/7"


def test_a_colleague_is_said_with_his_card(desk: TestDesk) -> None:
    tell(
        desk,
        StaffRegistered(name="Wang", mail="wang@example.com", deputy="staff/8", zone="Asia/Shanghai"),
        subject=WANG,
    )
    (snapshot,) = snapshots(desk)
    assert (snapshot.kind, snapshot.name, snapshot.revision) == ("staff", "Wang", 1)
    assert snapshot.staff is not None
    assert (snapshot.staff.mail, snapshot.staff.deputy, snapshot.staff.left) == ("wang@example.com", "staff/8", False)


def test_a_later_card_replaces_the_whole_card_and_a_late_one_nothing(desk: TestDesk) -> None:
    tell(desk, StaffRegistered(name="Wang", deputy="staff/8"), subject=WANG)
    tell(desk, StaffChanged(name="Wang", mail="w@example.com"), at=hours(2), subject=WANG)
    desk.take(CRM.event(StaffChanged(name="Wrong"), WANG, hours(1)), at=hours(3))
    staff = desk.value(STAFF, WANG)
    assert staff is not None and staff.card is not None
    assert (staff.card.name, staff.card.mail, staff.card.deputy) == ("Wang", "w@example.com", None)
    assert [one.revision for one in snapshots(desk)] == [1, 2]


def test_a_colleague_who_leaves_is_gone_from_his_day_on(desk: TestDesk) -> None:
    tell(desk, StaffLeft(left_on=date(2026, 3, 20)), subject=WANG)
    assert desk.said == []
    tell(desk, StaffRegistered(name="Wang"), subject=WANG, at=hours(-24))
    assert [one.staff.left for one in snapshots(desk) if one.staff] == [False]
    said = desk.advance(moment("2026-03-21T00:00:00"))
    assert [one.staff.left for one in payloads(said, ProfileChanged) if one.staff] == [True]
    tell(desk, StaffChanged(name="Wang Wei"), subject=WANG, at=moment("2026-03-22T00:00:00"))
    assert [one.staff.left for one in snapshots(desk) if one.staff] == [False, True, True]


def test_a_colleague_who_is_taken_in_again_is_there(desk: TestDesk) -> None:
    tell(desk, StaffRegistered(name="Wang"), subject=WANG)
    tell(desk, StaffLeft(left_on=date(2026, 3, 1)), subject=WANG, at=hours(1))
    tell(desk, StaffRegistered(name="Wang"), subject=WANG, at=hours(2))
    assert [one.staff.left for one in snapshots(desk) if one.staff] == [False, True, False]


def test_a_refold_says_what_it_has_changed_and_nothing_else(desk: TestDesk) -> None:
    tell(desk, registered(group="g1"))
    tell(desk, changed(group="g2"), at=hours(1))
    tell(desk, OwnerAssigned(owner_id="staff/1", since=date(2026, 1, 1)), at=hours(1))
    tell(desk, OwnerAssigned(owner_id="staff/2", since=date(2026, 3, 1)), at=hours(1))
    tell(desk, CreditLimitSet(limit=None, valid_from=date(2026, 1, 1)), at=hours(1))
    state = desk.states["customers", "C-1"]
    folded_by_older_code = desk.value(CUSTOMERS, "C-1"), desk.value(TOLD, "C-1"), desk.value(LIMITS, "C-1")
    customer, told, book = folded_by_older_code
    assert customer is not None and told is not None and told.snapshot is not None and book is not None
    older = msgspec.structs.replace(customer, group="g1", assignments=customer.assignments[:1])
    said_then = msgspec.structs.replace(told.snapshot, group="g1", owner_id="staff/1")
    put = state.documents
    put["customers", ""] = Stored(older)
    put["told", ""] = Stored(msgspec.structs.replace(told, snapshot=said_then, tenures=told.tenures[:1], limits=()))
    put["limits", ""] = Stored(msgspec.structs.replace(book, limits=()))

    again = desk.refold(CUSTOMERS, "C-1")

    assert [type(event.data) for event in again.said] == [OwnerChanged, LimitChanged, StandingChanged, ProfileChanged]
    owner, _, _, snapshot = (event.data for event in again.said)
    assert isinstance(owner, OwnerChanged) and isinstance(snapshot, ProfileChanged)
    assert (owner.owner_id, owner.valid_from) == ("staff/2", date(2026, 3, 1))
    assert (snapshot.group, snapshot.owner_id, snapshot.revision) == ("g2", "staff/2", told.snapshot.revision + 1)
    assert desk.value(CUSTOMERS, "C-1") == customer
    assert desk.refold(CUSTOMERS, "C-1").said == []


def test_a_refold_that_alters_only_what_is_not_said_says_nothing(desk: TestDesk) -> None:
    tell(desk, registered(person=Person(family=Family(children=2))))
    state = desk.states["customers", "C-1"]
    customer = desk.value(CUSTOMERS, "C-1")
    assert customer is not None
    state.documents["customers", ""] = Stored(msgspec.structs.replace(customer, person=None))
    again = desk.refold(CUSTOMERS, "C-1")
    assert again.changed
    assert again.said == []
    tell(desk, changed(language="en"), at=hours(2))
    assert [one.revision for one in snapshots(desk)] == [1, 2]


def test_a_refold_of_staff_goes_on_with_their_revisions(desk: TestDesk) -> None:
    tell(desk, StaffRegistered(name="Wang"), subject=WANG)
    tell(desk, StaffChanged(name="Wang Wei"), subject=WANG, at=hours(1))
    state = desk.states["staff", WANG]
    staff, told = desk.value(STAFF, WANG), state.documents["staff_told", ""].value
    assert staff is not None and staff.card is not None
    state.documents["staff", ""] = Stored(
        msgspec.structs.replace(staff, card=msgspec.structs.replace(staff.card, name="Wang"))
    )
    wrong = msgspec.structs.replace(told.snapshot, name="Wang")
    state.documents["staff_told", ""] = Stored(msgspec.structs.replace(told, snapshot=wrong))
    again = desk.refold(STAFF, WANG)
    assert [(one.name, one.revision) for one in payloads(again.said, ProfileChanged)] == [("Wang Wei", 3)]
