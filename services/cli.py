"""The command `rapport`, assembled from each room's `commands.py`.

A room is imported when its command is called, so that the models on plain files start at once and need nothing that the
services need; `--help` opens them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

app = typer.Typer(
    name="rapport",
    no_args_is_help=True,
    help="Rapport (客情): customers, contacts, surveys and early warnings on Kafka and MongoDB.",
    pretty_exceptions_show_locals=False,
)


def _contracts() -> None:
    from contracts import commands

    app.add_typer(commands.schemas_app, name="schemas", help="Frozen schemas of events.")
    app.command("validate")(commands.validate)


def _stack() -> None:
    from deploy.local import commands

    app.add_typer(commands.app, name="stack", help="Real Kafka and MongoDB on this machine, without Docker.")


def _running() -> None:
    from deploy.local import running

    app.command("run")(running.run)
    app.command("publish")(running.publish)


def _importing() -> None:
    from deploy.local import importing

    app.command("import")(importing.import_file)


def _cutover() -> None:
    from deploy.local import cutover

    app.command("cutover")(cutover.cutover)


def _demo() -> None:
    from deploy.demo import commands

    app.command("demo")(commands.demo)


def _topics() -> None:
    from services.chassis import topics

    app.add_typer(topics.topics_app, name="topics", help="Topics as the contracts want them.")


def _operate() -> None:
    from services import operate

    app.add_typer(operate.app, name="dead", help="Events that could not be taken: list, show, replay.")
    app.command("refold")(operate.refold)


def _chassis() -> None:
    from services.chassis import commands

    app.registered_commands.extend(commands.app.registered_commands)


def _alerts() -> None:
    from services.alerts import commands

    app.registered_commands.extend(commands.app.registered_commands)
    app.registered_groups.extend(commands.app.registered_groups)


def _gateway() -> None:
    from services.gateway import commands

    app.add_typer(commands.app, name="gateway", help="The gateway: who may send by HTTP.")


ROOMS: dict[Callable[[], None], tuple[str, ...]] = {
    _stack: ("stack",),
    _running: ("run", "publish"),
    _importing: ("import",),
    _cutover: ("cutover",),
    _demo: ("demo",),
    _alerts: ("age", "activity", "metrics", "backtest"),
    _gateway: ("gateway",),
    _contracts: ("schemas", "validate"),
    _topics: ("topics",),
    _operate: ("dead", "refold"),
    _chassis: ("token", "settings", "metrics-table", "audit"),
}


def main() -> None:
    """Entry point of the installed command."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    rooms = [room for room, names in ROOMS.items() if wanted in names] or list(ROOMS)
    for room in rooms:
        room()
    if len(rooms) == 1:
        # With a single command Typer would take its name for an argument.
        app.callback()(lambda: None)
    app()


if __name__ == "__main__":
    main()
