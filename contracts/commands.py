"""The contracts' part of the command `rapport`: schemas, and the check of other teams' events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from contracts.schema import FOLDER, Verdict, compare, freeze
from contracts.validation import Judged, judge_file

schemas_app = typer.Typer(
    help="The JSON Schemas of all events: compare them with the frozen ones, or freeze them.", no_args_is_help=True
)
_STATES = {
    "new": "not frozen yet; run `rapport schemas freeze`",
    "changed": "changed, and old and new readers are safe; run `rapport schemas freeze`",
    "broken": "changed so that a reader breaks; give it a new major version and keep this one "
    "(or, if it was never released, remove its file in contracts/schemas and freeze again)",
    "orphan": "frozen, but no model reads it; keep the model until its events have left the topics",
}


@schemas_app.command("check")
def check_schemas() -> None:
    """Compare the models with the frozen schemas; exit 1 when one differs."""
    verdicts = compare()
    if _say(verdict for verdict in verdicts if verdict.state != "same"):
        raise typer.Exit(1)
    typer.echo(f"{len(verdicts)} schemas are as frozen in contracts/{FOLDER.name}/")


@schemas_app.command("freeze")
def freeze_schemas() -> None:
    """Write the schemas that are new, or changed without breaking a reader; nothing at all if another one breaks."""
    verdicts, written = freeze()
    if _say(verdict for verdict in verdicts if verdict.state in ("broken", "orphan")):
        raise typer.Exit(1)
    for path in written:
        typer.echo(f"wrote {path.name}")
    typer.echo(f"{len(written)} written, {len(verdicts) - len(written)} as they were")


def validate(
    file: Annotated[
        Path, typer.Argument(help="Structured CloudEvents: JSON lines, or one JSON object or list.", exists=True)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each event.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the events that are refused.")] = False,
) -> None:
    """Judge every event of a file as the services would; exit 1 when one is refused, or when there is none."""
    counts: Counter[str] = Counter()
    for judged in judge_file(file, datetime.now(UTC)):
        counts[judged.verdict] += 1
        if not quiet or judged.verdict == "refused":
            typer.echo(msgspec.json.encode(judged._asdict()).decode() if as_json else line_of(judged))
    if not as_json:
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("accepted", "repeat", "refused"))
        typer.echo(f"{file.name}: {said}" if counts else f"{file.name} holds no event")
    if counts["refused"] or not counts:
        raise typer.Exit(1)


def line_of(judged: Judged) -> str:
    """The verdict as a line for people."""
    if judged.verdict == "refused":
        return f"{judged.place}: REFUSED {judged.reason}: {judged.message}"
    tail = f" ({judged.message})" if judged.message else ""
    return f"{judged.place}: {judged.verdict} {judged.type} {judged.subject}{tail}"


def _say(verdicts: Iterable[Verdict]) -> bool:
    said = False
    for verdict in verdicts:
        said = True
        typer.echo(f"{verdict.type}: {_STATES[verdict.state]}")
        for found in verdict.breaks:
            typer.echo(f"    {found}")
    return said
