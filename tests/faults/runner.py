"""One process of the alerts service as it runs in production, watched by the fault run.

Beside the service it keeps a tally (probe.py), notes the moment of its first commit, and, where a test of the test asks
for it, is broken on purpose (planted.py). `python -m tests.faults.runner`; told by its environment.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

from services.alerts import app
from services.alerts.handlers import alerts_service
from services.alerts.settings import AlertsSettings
from services.chassis import marks
from services.chassis.process import main
from tests.faults import probe

PLANT = "FAULTS_PLANT"
NOTES = "FAULTS_NOTES"


def note_commits(file: Path) -> None:
    """Write down when this process commits for the first time, so that the pause after a kill can be measured."""
    reach, noted = marks.reach, False

    def noting(stage: str) -> None:
        nonlocal noted
        if stage == marks.AFTER_COMMIT and not noted:
            noted = True
            with file.open("a") as notes:
                notes.write(f"{os.getpid()} {time.time()}\n")
        reach(stage)

    marks.reach = noting


def run() -> None:
    """Serve until told to stop."""
    if os.environ.get(NOTES):
        note_commits(Path(os.environ[NOTES]))
    # The very wiring of the product, with a tally in its service.
    vars(app)["alerts_service"] = probe.with_tally(alerts_service)
    if os.environ.get(PLANT):
        importlib.import_module("tests.faults.planted").PLANTS[os.environ[PLANT]]()
    main(AlertsSettings, app.serve)


if __name__ == "__main__":
    run()
