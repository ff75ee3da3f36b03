"""The lab's service as a process of its own: `python -m tests.kafka.worker`, told by its environment."""

from __future__ import annotations

from services.chassis.process import main
from services.chassis.runtime import Runtime
from tests.chassis.lab import LabSettings, lab_service


async def serve(settings: LabSettings) -> None:
    """Serve until told to stop."""
    runtime = await Runtime.open(lab_service(), settings)
    await runtime.run()


if __name__ == "__main__":
    main(LabSettings, serve)
