"""`python -m tests.cadence_proof`, which is `make cadence`: prints the table and writes it to TABLE.md beside this."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cadence_proof.table import page


def main() -> None:
    """Work out the table."""
    text = page(lambda line: print(f"... {line}", file=sys.stderr))
    print(text)
    (Path(__file__).parent / "TABLE.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
