"""The gateway's own figures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from services.chassis.metrics import SIZES, MetricSet


class GatewayMetrics(MetricSet):
    """What the gateway measures beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.verdicts = self.counter(
            "rapport_gateway_events_total", "Events judged, by verdict (accepted, refused, unknown).", ("verdict",)
        )
        self.refused = self.counter("rapport_gateway_refused_total", "Events refused, by reason.", ("reason",))
        self.turned_away = self.counter(
            "rapport_gateway_turned_away_total",
            "Requests answered 429, by cause (slow: the broker; full: too much held; quota: of the source).",
            ("cause",),
        )
        self.request_events = self.histogram("rapport_gateway_request_events", "Events of one request.", buckets=SIZES)
        self.held_bytes = self.gauge(
            "rapport_gateway_held_bytes", "Bodies of requests that are read or wait for the broker's word, in bytes."
        )
        self.send_failures = self.counter(
            "rapport_gateway_send_failures_total", "Batches of records that the broker did not take.", ("topic",)
        )
        self.producers = self.counter(
            "rapport_gateway_producers_total", "Producers begun: one at the start, another after each failed batch."
        )
        self.import_rows = self.counter(
            "rapport_gateway_import_rows_total",
            "Rows of imported files, by what became of them (accepted, refused, passed_over: a sum, which is no row).",
            ("fate",),
        )
        self.source_silence = self.gauge(
            "rapport_gateway_source_silence_seconds", "How long a source has not been heard, in seconds.", ("source",)
        )
        self.source_silent = self.gauge(
            "rapport_gateway_source_silent", "1 while a source is silent beyond its usual gap.", ("source",)
        )
        self._folder()

    def _folder(self) -> None:
        self.folder_files = self.counter(
            "rapport_gateway_folder_files_total",
            "Files of the watched folder that were put away, by where (done: every row was taken; refused).",
            ("outcome",),
        )
        self.folder_waiting = self.gauge(
            "rapport_gateway_folder_waiting", "Files in the watched folder that are not put away yet."
        )
        self.folder_misplaced = self.gauge(
            "rapport_gateway_folder_misplaced", "Files that lie where nothing is taken: under no source and kind."
        )
        self.folder_troubles = self.gauge(
            "rapport_gateway_folder_troubles",
            "Files and folders that could not be read or put away at the last look; they are tried again.",
        )
