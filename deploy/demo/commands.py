"""`rapport demo`: the whole suite on real purchases, on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from deploy.demo.run import run
from deploy.local.commands import explained


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End by itself when all is compared; else Ctrl-C ends it.")
    ] = False,
    customers: Annotated[int | None, typer.Option(min=10, help="So many customers instead of all 23,570.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is made: names, payments and other documents.")] = 1,
) -> None:
    """Replay 18 months of a real shop through the services and compare what stands at the end with `rapport age`."""
    with explained():
        raise typer.Exit(run(once=once or os.environ.get("ONCE", "") not in ("", "0"), customers=customers, seed=seed))
