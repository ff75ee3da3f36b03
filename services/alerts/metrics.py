"""The alerts service's own figures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from services.chassis.metrics import MetricSet


class AlertsMetrics(MetricSet):
    """What the alerts service measures beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.books_stated = self.gauge(
            "rapport_alerts_books_customers", "Customers whose balance the books have stated."
        )
        self.books_out = self.gauge(
            "rapport_alerts_books_out_of_balance", "Customers whose balance is another here than the books state."
        )
        self.books_age = self.gauge(
            "rapport_alerts_books_age_seconds", "How long ago the books stated a balance last, in seconds; 0: never."
        )
