"""`python -m services.gateway`: one process of the gateway; services/SETTINGS.md lists what tells it."""

from services.chassis.process import main
from services.gateway.app import serve
from services.gateway.settings import GatewaySettings

main(GatewaySettings, serve)
