"""Metrics: named by convention, few labels, ages that grow while the loop stands still."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.chassis.metrics import Metrics, MetricSet, markdown


def value(metrics: MetricSet, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_metric_follows_the_conventions_and_is_explained() -> None:
    for metric in Metrics().described:
        assert re.fullmatch(r"rapport_[a-z_]+", metric.name)
        assert metric.text.endswith("."), metric.name
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.kind != "histogram" or metric.name.rsplit("_", 1)[1] in {"seconds", "records"}, metric.name


def test_labels_are_few_and_never_name_a_customer_or_an_id() -> None:
    allowed = {
        "topic",
        "partition",
        "stage",
        "reason",
        "cause",
        "outcome",
        "scope",
        "supply",
        "part",
        "method",
        "route",
        "status",
    }
    assert {label for metric in Metrics().described for label in metric.labels} <= allowed


def test_what_is_shown_is_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.lag("rapport.trade", 3, 5, 0.0)
    metrics.applied.labels("rapport.trade").inc(2)
    families = {family.name for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())}
    assert {"rapport_lag_records", "rapport_events_applied"} <= families
    assert len(families) >= len(metrics.described)


def test_a_name_outside_the_conventions_is_refused() -> None:
    made = MetricSet(CollectorRegistry())
    with pytest.raises(ValueError, match="ends in _total"):
        made.counter("rapport_mails", "Mails.")
    with pytest.raises(ValueError, match="begin with rapport_"):
        made.gauge("mails", "Mails.")
    made.gauge("rapport_mails_open", "Mails.")
    with pytest.raises(ValueError, match="rapport_mails_open"):
        made.gauge("rapport_mails_open", "Mails again.")


def test_lag_in_seconds_grows_while_nothing_is_applied_and_is_0_when_all_is() -> None:
    clock = SimpleNamespace(now=1000.0)
    metrics = Metrics(now=lambda: clock.now)
    metrics.lag("rapport.trade", 0, records=4, oldest=990.0)
    assert value(metrics, "rapport_lag_seconds", topic="rapport.trade", partition="0") == 10.0
    clock.now = 1060.0
    assert value(metrics, "rapport_lag_seconds", topic="rapport.trade", partition="0") == 70.0
    metrics.lag("rapport.trade", 0, records=0, oldest=1060.0)
    clock.now = 2000.0
    assert value(metrics, "rapport_lag_seconds", topic="rapport.trade", partition="0") == 0.0


def test_a_partition_that_was_lost_leaves_the_lag() -> None:
    metrics = Metrics()
    metrics.lag("rapport.trade", 0, 4, 1.0)
    metrics.forget("rapport.trade", 0)
    metrics.forget("rapport.trade", 7)
    assert value(metrics, "rapport_lag_records", topic="rapport.trade", partition="0") is None


def test_the_outbox_shows_backlog_and_age() -> None:
    clock = SimpleNamespace(now=50.0)
    metrics = Metrics(now=lambda: clock.now)
    assert value(metrics, "rapport_outbox_oldest_seconds") == 0.0
    metrics.outbox(records=12, oldest=20.0)
    clock.now = 55.0
    assert (value(metrics, "rapport_outbox_records"), value(metrics, "rapport_outbox_oldest_seconds")) == (12, 35.0)
    metrics.outbox(records=0, oldest=None)
    assert value(metrics, "rapport_outbox_oldest_seconds") == 0.0


def test_a_stage_that_fails_is_timed_too() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError), metrics.timed("fold"):
        raise ZeroDivisionError
    assert value(metrics, "rapport_stage_seconds_count", stage="fold") == 1


def test_two_sets_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.conflicts.inc()
    assert (value(first, "rapport_version_conflicts_total"), value(second, "rapport_version_conflicts_total")) == (1, 0)


def test_the_table_names_each_metric_once() -> None:
    table = markdown([("every service", Metrics())])
    assert table.count("| `rapport_lag_seconds` | gauge | topic, partition | every service |") == 1
    assert len(table.splitlines()) == len(Metrics().described) + 2
