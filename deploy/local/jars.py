"""The pinned list of Kafka's jars: which files, from which coordinates, with which SHA-256.

`python -m deploy.local.jars` writes `jars.lock` again, for a new version of Kafka; nothing else here needs a network.
"""

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

KAFKA_VERSION = "4.1.2"
KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3"
LOCK = Path(__file__).with_name("jars.lock")


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One file of the class path: `coordinate` is group:artifact:version, `size` in bytes, `sha256` in hex."""

    coordinate: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def pinned(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The jars of the lock file, in class path order."""
    rows = (line.split() for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(Jar(coordinate=coordinate, size=int(size), sha256=sha256) for coordinate, size, sha256 in rows)


def digest_of(jars: tuple[Jar, ...]) -> str:
    """A short name for exactly this set of files, so that two versions never share a folder of the cache."""
    return hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()[:12]


def resolve_again() -> str:
    """The text of a fresh lock file, by Maven's own resolution."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional extra, needed only here

    paths: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as repository:
        # Two calls: in one, the log binding's dependency management pulls kafka-clients back to an older release.
        for endpoint in (KAFKA, LOG_BINDING):
            context = MavenContext(repo_cache=Path(repository))
            inputs, transitive = context.resolver.resolve([context.create_dependency(endpoint)])
            for dependency in [*inputs, *(found for found in transitive if found.scope in {"compile", "runtime"})]:
                artifact = dependency.artifact
                coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
                paths.setdefault(coordinate, artifact.resolve())
        artifacts = [coordinate.rsplit(":", 1)[0] for coordinate in paths]
        if doubled := {name for name in artifacts if artifacts.count(name) > 1}:
            raise ValueError(
                f"two versions of {', '.join(sorted(doubled))}: give LOG_BINDING the version that Kafka has"
            )
        lines = [
            f"{coordinate} {path.stat().st_size} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            for coordinate, path in paths.items()
        ]
    head = f"# Kafka {KAFKA_VERSION}: coordinate, bytes, SHA-256; written by python -m deploy.local.jars"
    return "\n".join([head, *lines, ""])


if __name__ == "__main__":
    LOCK.write_text(resolve_again(), encoding="utf-8")
    sys.stdout.write(f"{LOCK.name}: {len(pinned())} jars, {sum(jar.size for jar in pinned()) / 1e6:.0f} MB\n")
