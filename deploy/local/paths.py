"""Where the local stack keeps things: a data folder for each checkout, one cache of downloads for all of them."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

_MARKER = ".rapport-home"


@dataclass(frozen=True)
class Home:
    """The data folder of one stack, and the places inside it."""

    root: Path

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def mongo(self) -> Path:
        return self.root / "mongo"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def kafka_properties(self) -> Path:
        return self.root / "kafka.properties"

    @property
    def command_lock(self) -> Path:
        """Held by whoever starts or stops things here."""
        return self.root / "stack.lock"

    @property
    def state_lock(self) -> Path:
        """Held for a moment, around a change of the state file."""
        return self.root / "state.lock"

    @property
    def marked(self) -> bool:
        """Whether this folder was made for Rapport, so that everything in it may be removed with it."""
        return (self.root / _MARKER).is_file()

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Create the folder. A folder that already held other things is used but never marked as ours.

        Raises StackError when it cannot be created or written, or has a name that Kafka takes for two.
        """
        if "," in str(self.root):
            raise StackError(
                f"The data folder {self.root} has a comma in its name, which separates folders in Kafka's settings.",
                "Set RAPPORT_HOME to a folder without one.",
            )
        try:
            fresh = not self.root.exists() or not any(self.root.iterdir())
            self.logs.mkdir(parents=True, exist_ok=True)
            if fresh or self.root.name == ".rapport":
                (self.root / _MARKER).touch()
        except OSError as error:
            raise StackError(
                f"The data folder {self.root} cannot be written: {error.strerror}.",
                "Set RAPPORT_HOME to a folder that you may write to.",
            ) from error


def default_home() -> Home:
    """RAPPORT_HOME, or `.rapport` in the checkout that the current folder belongs to, or in the current folder."""
    if given := os.environ.get("RAPPORT_HOME"):
        return Home(Path(given).expanduser().resolve())
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "deploy" / "local" / "jars.lock").is_file():
            return Home(folder / ".rapport")
    return Home(here / ".rapport")


def cache_folder() -> Path:
    """The downloads, shared by all checkouts of this user."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rapport"
