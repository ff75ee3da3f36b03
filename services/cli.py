"""The command `rapport`, assembled from each room's `commands.py`."""

from __future__ import annotations

import typer

from contracts import commands as contracts
from deploy.local import commands as local
from deploy.local import running
from services import operate
from services.alerts.plain.age import age
from services.chassis import commands as chassis
from services.chassis import topics

app = typer.Typer(
    name="rapport",
    no_args_is_help=True,
    help="Rapport (客情): customers, contacts, surveys and early warnings on Kafka and MongoDB.",
    pretty_exceptions_show_locals=False,
)
app.add_typer(local.app, name="stack", help="Real Kafka and MongoDB on this machine, without Docker.")
app.command("run")(running.run)
app.command("publish")(running.publish)
app.add_typer(contracts.schemas_app, name="schemas", help="Frozen schemas of events.")
app.add_typer(topics.topics_app, name="topics", help="Topics as the contracts want them.")
app.command("validate")(contracts.validate)
app.add_typer(operate.app, name="dead", help="Events that could not be taken: list, show, replay.")
app.command("refold")(operate.refold)
app.command("age")(age)
for command in chassis.app.registered_commands:
    app.registered_commands.append(command)


def main() -> None:
    """Entry point of the installed command."""
    app()
