"""`python -m deploy.demo`."""

import typer

from deploy.demo.commands import demo

typer.run(demo)
