"""CSV files in a folder and `rapport age` run on them, for the tests of the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner, Result

from services.alerts.plain.age import age

app = typer.Typer()
app.command()(age)

INVOICES = "invoice,customer,currency,issue_date,due_date,amount"
SETTLEMENTS = "doc,type,customer,currency,date,amount,applied_to"
LIMITS = "customer,limit,currency"
RATES = "currency,rate,date"
AS_OF = "2026-02-10"
ONE = [INVOICES, "INV1,c1,CNY,2026-01-01,2026-01-31,100.00"]


class Files:
    """CSV files in a folder, and the command run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, lines: list[str]) -> Path:
        path = self.folder / f"{name}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def run(self, *more: str, as_of: str = AS_OF, **tables: list[str]) -> Result:
        return self._run(more, as_of, tables)

    def _run(self, more: tuple[str, ...], as_of: str, tables: dict[str, list[str]]) -> Result:
        given: list[str] = []
        for name in ("invoices", "settlements", "limits", "rates"):
            lines = tables.get(name, {"invoices": ONE, "settlements": [SETTLEMENTS]}.get(name))
            if lines is not None:
                given += [f"--{name}", str(self.write(name, lines))]
        return self.invoke([*given, "--as-of", as_of, *more])

    def invoke(self, given: list[str]) -> Result:
        return CliRunner().invoke(app, given, terminal_width=200)

    def json(self, *more: str, as_of: str = AS_OF, **tables: list[str]) -> dict[str, list[dict[str, Any]]]:
        result = self._run(("--json", *more), as_of, tables)
        assert result.exit_code == 0, result.output
        found: dict[str, list[dict[str, Any]]] = json.loads(result.stdout)
        return found

    def refused(self, *more: str, **tables: list[str]) -> str:
        out = self.folder / "out"
        result = self._run(("--out", str(out), *more), AS_OF, tables)
        assert (result.exit_code, out.exists(), result.stdout) == (2, False, "")
        return result.stderr
