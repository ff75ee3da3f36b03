"""What the gateway is told from outside, beside what every service is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from services.chassis.settings import Settings, setting


class GatewaySettings(Settings):
    """Settings of the gateway; see services/SETTINGS.md."""

    SERVICE: ClassVar[str] = "gateway"

    http_max_body_bytes: int = setting(
        4_000_000, "A longer request is refused with 413; several smaller ones do as well.", unit="bytes", ge=1024
    )
    gateway_batch_events: int = setting(
        5_000, "Events in one request at most; more are refused with 413.", unit="events", ge=1
    )
    gateway_held_bytes: int = setting(
        32_000_000,
        "Bodies of requests that are read or wait for the broker's word, all together, at most; a request beyond it is "
        "answered 429. The process needs some four times as much memory.",
        unit="bytes",
        ge=1024,
    )
    gateway_slow_ms: int = setting(
        2_000,
        "While something is sent and the broker has not said a word for so long, new requests are answered 429.",
        unit="ms",
        ge=50,
    )
    gateway_answer_seconds: int = setting(
        20, "A request that has waited so long for the broker's word is answered 503.", unit="s", ge=1
    )
    gateway_record_batch_bytes: int = setting(
        256_000, "Records of a partition sent in one go at most.", unit="bytes", ge=1024, le=900_000
    )
    gateway_sources_seconds: int = setting(
        2, "How often sources are read again, and what was heard of them is stored.", unit="s", ge=1
    )
    gateway_silence_least_seconds: int = setting(
        900, "A source is never called silent before, however short its usual gap is.", unit="s", ge=1
    )
    gateway_import_bytes: int = setting(
        500_000_000, "A file to import that is longer is refused with 413.", unit="bytes", ge=1024
    )
    gateway_import_days: int = setting(
        30,
        "How long rows that were refused stay, to be corrected and sent again, and an import can be undone.",
        unit="days",
        ge=1,
    )
    gateway_letter_days: int = setting(
        90,
        "How long a dead letter with which nothing is done stays in the clinic; its service keeps it in any case.",
        unit="days",
        ge=1,
    )
    gateway_imports_waiting: int = setting(
        50, "Imports of a source that wait; one more is answered 429.", unit="imports", ge=1
    )
    gateway_folder: Path | None = setting(
        None,
        "Folder in which systems lay files, as <source>/<kind>/file (erp/shanghai/invoices/today.csv); absent means "
        "that none is watched. Processes that share it take turns.",
    )
    gateway_folder_seconds: int = setting(5, "How often the folder is looked through.", unit="s", ge=1)
    gateway_folder_settle_seconds: int = setting(
        10,
        "A file there counts as whole when its size and moment have not changed for so long. More than the longest "
        "pause of those who write it in place; who renames it there when it is whole can do with less.",
        unit="s",
        ge=0,
    )
