"""How far is applied is known by the database; what Kafka thinks of it changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.envelope import encode
from services.chassis.batch import Position
from services.chassis.errors import OffsetGoneError
from tests.chassis.lab import NOW, told, unique
from tests.kafka.house import IN, House
from tests.waiting import until

pytestmark = pytest.mark.stack


async def stored(house: House) -> dict[TopicPartition, int]:
    return {TopicPartition(d["topic"], d["partition"]): d["next"] async for d in house.lab.db["offsets"].find({})}


async def committed(house: House, offsets: dict[TopicPartition, int] | None = None) -> dict[TopicPartition, int]:
    """The group's own offsets; given some, they are set first."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=house.kafka, group_id=house.run, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(list(await house.ends()))
        if offsets:
            await consumer.commit(offsets)
        return {tp: at for tp in consumer.assignment() if (at := await consumer.committed(tp)) is not None}
    finally:
        await consumer.stop()


@pytest.mark.parametrize("kafkas", ["gone", "behind", "ahead"])
async def test_whatever_kafka_says_nothing_is_applied_twice_and_nothing_is_passed_over(
    house: House, kafkas: str
) -> None:
    subject, first = unique(), await house.start()
    await house.send([told("add", 1, subject) for _ in range(20)])
    await house.applied(20)
    ends = await house.ends()
    await until(lambda: same(house, ends), "offsets to be committed")
    await first.stop()
    await house.send([told("add", 1, subject) for _ in range(20)])  # while the service is down
    if kafkas != "gone":
        await committed(house, dict.fromkeys(ends, 0) if kafkas == "behind" else await house.ends())
    # A group that was deleted and one that never was are the same to the broker.
    second = await house.start(kafka_group=unique() if kafkas == "gone" else house.run)
    await house.send([told("add", 1, subject)])
    await house.applied(41)
    card = await house.lab.card(subject)
    assert card is not None and (card.n, len(set(card.trail))) == (41, 41)
    assert second.counted("rapport_events_repeated_total") == 0, "ours is where reading began"


async def same(house: House, ends: dict[TopicPartition, int]) -> bool:
    at = await committed(house)
    return all(at.get(tp) == end for tp, end in ends.items() if tp in at) and at != {}


async def test_a_zombie_moves_no_offset_and_no_clock_back(house: House) -> None:
    applier = await house.lab.applier()
    ahead, behind = Position(IN, 99, 90, NOW), Position(IN, 99, 50, NOW - timedelta(hours=1))
    await applier.apply(house.lab.works([told("add", 1, unique())]), [ahead])
    for work in ([], house.lab.works([told("add", 1, unique())])):
        await applier.apply(work, [behind])
    await applier.move([behind])
    assert (await applier.positions())[(IN, 99)] == (90, NOW)


async def test_records_that_are_gone_unread_stop_the_service_with_a_word(house: House) -> None:
    (tp, end), *_ = (await house.ends()).items()
    where = {"_id": f"{tp.topic}/{tp.partition}"}
    await house.lab.db["offsets"].update_one(where, {"$set": {"next": end + 1000}})
    running = await house.start(wait=False)
    with pytest.raises(OffsetGoneError, match=rf"{tp.topic}/{tp.partition} is applied up to {end + 1000}.*runbook"):
        await until(lambda: running.task.done() and running.task.result(), "the service to stop")


async def test_what_a_source_rolls_back_was_never_said_and_ends_of_transactions_hold_no_clock(house: House) -> None:
    """An ERP whose producer uses transactions (Kafka Connect's exactly-once does): the broker puts a marker where each
    ends, which no reader is given.
    """
    running, subject, unsaid = await house.start(), unique(), unique()
    erp = AIOKafkaProducer(bootstrap_servers=house.kafka, transactional_id=unique())
    await erp.start()
    try:
        for event, said in ((told("add", 1, subject), True), (told("add", 1, unsaid), False)):
            record = encode(event)
            await erp.begin_transaction()
            await erp.send_and_wait(IN, record.value, record.key, headers=record.headers)
            await (erp.commit_transaction() if said else erp.abort_transaction())
    finally:
        await erp.stop()
    await house.applied(1)
    ends = await house.ends()

    async def known_to_its_end() -> bool:
        return {tp: at for tp, at in (await stored(house)).items() if tp.topic == IN} == ends

    await until(known_to_its_end, "every partition to be known to its end")
    assert running.counted("rapport_lag_records", topic=IN) == 0
    assert [await house.lab.card(unsaid), (await house.lab.card(subject)) is not None] == [None, True]
