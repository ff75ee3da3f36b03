"""`python -m services.alerts`: one process of the alerts service, told by its environment (services/SETTINGS.md)."""

from services.alerts.app import serve
from services.alerts.settings import AlertsSettings
from services.chassis.process import main

main(AlertsSettings, serve)
