"""The profiles service, wired: folds and API around the chassis."""

from __future__ import annotations

from fastapi import FastAPI

from services.chassis.runtime import Runtime
from services.chassis.web import create_app
from services.profiles import api_suggestions
from services.profiles.api import ACCESS, PERSONAL, router
from services.profiles.handlers import profiles_service
from services.profiles.settings import ProfilesSettings


def build(runtime: Runtime) -> FastAPI:
    """The HTTP side of a running service."""
    app = create_app(
        runtime.settings,
        routers=[router, api_suggestions.router],
        access=ACCESS,
        personal=PERSONAL,
        health=runtime.health,
        metrics=runtime.metrics,
        trail=runtime.trail,
    )
    app.state.db = runtime.db
    return app


async def serve(settings: ProfilesSettings) -> None:
    """Serve until told to stop."""
    runtime = await Runtime.open(profiles_service(settings.days), settings)
    await runtime.run(build(runtime))
