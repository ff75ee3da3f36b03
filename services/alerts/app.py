"""The alerts service, wired: rules, API and couriers around the chassis."""

from __future__ import annotations

from services.alerts.api import build
from services.alerts.bookkeeping import Bookkeeper
from services.alerts.fitting import Fitter
from services.alerts.handlers import alerts_service
from services.alerts.metrics import AlertsMetrics
from services.alerts.pipeline.deliver import couriers
from services.alerts.rating import Rater
from services.alerts.settings import AlertsSettings
from services.chassis.runtime import Runtime, Worker


async def serve(settings: AlertsSettings) -> None:
    """Serve until told to stop."""
    rules = settings.rules
    runtime = await Runtime.open(alerts_service(rules), settings)
    books = Bookkeeper(runtime.db, AlertsMetrics(runtime.metrics.registry))
    fitter = Fitter(runtime, rules, settings.alerts_refit_days)
    workers: list[Worker] = [*couriers(runtime, settings), fitter, Rater(runtime, rules), books]
    await runtime.run(build(runtime, rules), workers)
