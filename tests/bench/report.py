"""What the figures of a run mean beside each other, and what is wanted of them."""

from __future__ import annotations

from tests.bench.cases import FASTSTREAM, GATEWAY, IMPORTS, LIMIT, MILLION, RULES, RULES_LIMIT, SERVICE, Run
from tests.bench.load import VALUE_BYTES
from tests.bench.table import Bound, Line, Table

INBOX = f"{FASTSTREAM} inbox"
P99_WANTED: dict[float, Bound] = {
    20.0: ("≤", 8.0),
    200.0: ("≤", 20.0),
}  # multiples of an empty majority commit, by events a second
MAIL_WANTED_MS = 1000.0


def table(run: Run) -> Table:
    """All that was measured."""
    out = Table()
    _throughput(out, run)
    _memory(out, run)
    _latency(out, run)
    _clock(out, run)
    _gateway(out, run)
    _imports(out, run)
    return out


def _throughput(out: Table, run: Run) -> None:
    part, size = "Throughput", run.size
    out.note(
        part,
        f"One consumer process, {size.customers:,} customers, events with a value of {VALUE_BYTES} bytes (key and "
        "headers, some 190 bytes, on top). Everything is on: ledger, versions, outbox, relay, clock, mailer, HTTP. "
        "Ratios are made round by round. *Limit*: prepared batches of 2,000 with the same rows in the same kind of "
        "transaction, one after another, no Kafka, no decoding, no loading, no folding, no relay.",
    )
    named = (
        (LIMIT, "limit"),
        (SERVICE, "service"),
        (FASTSTREAM, "FastStream handler, one message at a time"),
        (INBOX, "the same with an inbox"),
        (MILLION, f"service with {size.many:,} customers in its database"),
        (RULES_LIMIT, "limit, all three rules at work"),
        (RULES, "service, all three rules at work"),
    )
    for name, said in named:
        out.add(part, Line(said, "events/s", run.of(name)))
    ratios: tuple[tuple[str, str, str, Bound | None], ...] = (
        ("service / limit", SERVICE, LIMIT, ("≥", 0.7)),
        ("service / FastStream handler", SERVICE, FASTSTREAM, None),
        ("service / FastStream handler with an inbox", SERVICE, INBOX, None),
        (f"{size.many:,} customers / {size.customers:,}", MILLION, SERVICE, ("≥", 0.6)),
        ("service / limit, all three rules at work", RULES, RULES_LIMIT, ("≥", 0.7)),
    )
    for said, above, below, wanted in ratios:
        out.add(part, Line(said, "ratio", run.ratio(above, below), wanted, 2))
    three = ((RULES_LIMIT, "limit of three rules"), (RULES, "service of three rules"))
    for name, said in ((LIMIT, "limit"), (SERVICE, "service"), (MILLION, f"{size.many:,} customers"), *three):
        out.add(part, Line(f"outgoing events, {said}", "per 100 events", run.of(f"{name} outgoing"), digits=1))
        out.add(part, Line(f"deadlines folded, {said}", "per 100 events", run.of(f"{name} ticks"), digits=1))


def _memory(out: Table, run: Run) -> None:
    part = "Memory of the service's process"
    loads = (
        (SERVICE, f"{run.size.customers:,} customers"),
        (MILLION, f"{run.size.many:,} customers"),
        (RULES, "all three rules at work"),
    )
    for name, said in loads:
        out.add(part, Line(f"most resident, {said}", "MB", run.of(f"{name} memory")))
        grown = run.of(f"{name} growth")
        out.add(part, Line(f"its growth from the window's first third to its last, {said}", "MB", grown))


def _latency(out: Table, run: Run) -> None:
    part = "Latency"
    if run.of("commit"):
        out.note(
            part,
            "From just before the producer is given the event to the outgoing event in another consumer's hands, or to "
            "the mail server's word. Sent at random moments. *Empty commit*: a transaction that writes one empty "
            "document, with majority, on the idle stack just before.",
        )
    out.add(part, Line("empty majority commit, median", "ms", run.of("commit"), digits=2))
    ways = (
        ("resolved", "payment to `alert.resolved`"),
        ("raised", "overdue invoice to `alert.raised` (by the clock)"),
        ("mailed", "overdue invoice to the mail accepted"),
    )
    for rate in run.size.rates:
        for name, said in ways:
            for quantile in ("p50", "p99"):
                values = run.of(f"{name} {quantile} {rate:g}")
                out.add(part, Line(f"{said}, {quantile} at {rate:g}/s", "ms", values, digits=1))
            if name != "mailed":
                wanted = P99_WANTED.get(rate)
                values = run.of(f"{name} x {rate:g}")
                out.add(part, Line(f"{said}, p99 at {rate:g}/s", "empty commits", values, wanted, 1))
        above, wanted = run.of(f"mail above {rate:g}"), ("≤", MAIL_WANTED_MS)
        out.add(part, Line(f"p99 of the mail above that of `alert.raised`, {rate:g}/s", "ms", above, wanted))


def _clock(out: Table, run: Run) -> None:
    part = "The clock's query"
    if run.looked:
        out.note(
            part,
            "What the database says it examined for the very command that the clock sends (explain, executionStats). "
            "It takes 500 at most in one go. Wanted: what is taken, and one more at most.",
        )
    for looked in run.looked:
        of = f"{looked.waiting:,} waiting, {looked.due:,} due, {looked.returned:,} taken"
        most = max(looked.keys, looked.documents)
        out.add(part, Line(f"{of}: examined", "keys", (float(most),), ("≤", float(looked.returned + 1))))
        out.add(part, Line(f"{of}: time, median", "ms", (looked.ms,), digits=2))


def _gateway(out: Table, run: Run) -> None:
    part = "The gateway"
    if any(run.of(f"{GATEWAY} {events}") for events in run.size.requests):
        out.note(
            part,
            "Processor time of its process for an event, one request after another, beside that of a process in which "
            "a bare idempotent aiokafka producer says the same records in the same batches, with the gateway's own "
            "settings. Windows of the two in turn; ratios are made window by window.",
        )
    for events in run.size.requests:
        wanted: Bound | None = ("≤", 2.0) if events >= 500 else None
        said = f"{events:,} in a request"
        out.add(part, Line(f"gateway, {said}", "µs an event", run.of(f"{GATEWAY} {events}"), digits=1))
        out.add(part, Line(f"bare producer, {said}", "µs an event", run.of(f"producer {events}"), digits=1))
        ratio = run.ratio(f"{GATEWAY} {events}", f"producer {events}")
        out.add(part, Line(f"gateway / bare producer, {said}", "ratio", ratio, wanted, 2))
        out.add(part, Line(f"gateway, one sender, {said}", "events/s", run.of(f"{GATEWAY} rate {events}")))


def _imports(out: Table, run: Run) -> None:
    part, raw = "A file of invoices", f"{IMPORTS} raw"
    if run.of(raw):
        out.note(
            part,
            f"{run.size.rows:,} rows of {run.size.customers:,} customers, from the request on. *Raw*: `insert_many` of "
            "Motor, unordered, batches of 1,000 of the same rows as documents, majority; the documents lie ready. Two "
            "readings of the ratio: to the broker's word on every row, by the gateway alone; and through, until one "
            "process of the alerts service beside it has applied every row, with its ledger, its states, what it says "
            "and its clock, which is many writes a row where raw is one.",
        )
    taken: Bound = ("≥", 0.2)
    out.add(part, Line("raw", "rows/s", run.of(raw)))
    out.add(part, Line("file to the broker's word", "rows/s", run.of(f"{IMPORTS} taken")))
    out.add(part, Line("file to the broker's word / raw", "ratio", run.ratio(f"{IMPORTS} taken", raw), taken, 2))
    out.add(part, Line("file to the broker's word, alerts beside it", "rows/s", run.of(f"{IMPORTS} taken beside")))
    out.add(part, Line("file through to the alerts", "rows/s", run.of(f"{IMPORTS} applied")))
    out.add(part, Line("file through to the alerts / raw", "ratio", run.ratio(f"{IMPORTS} applied", raw), taken, 2))
    through = run.ratio(f"{IMPORTS} applied", LIMIT)
    out.add(part, Line("file through to the alerts / limit of prepared batches", "ratio", through, digits=2))
    out.add(part, Line("gateway's process, most resident", "MB", run.of(f"{IMPORTS} memory")))
    said = "gateway's process, its growth from the import's first third to its last"
    out.add(part, Line(said, "MB", run.of(f"{IMPORTS} growth"), ("≤", 30.0)))
