"""A real Kafka Connect and a real PostgreSQL beside the stack, for the pages that speak of them. The jars come from
where the broker's come from, once, into the same cache.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.envelope import Event, decode
from contracts.refusal import Refused
from contracts.registry import TOPICS
from deploy.local import jars, java, ports
from deploy.local.fetch import _repositories, kafka_jars
from deploy.local.paths import cache_folder
from deploy.local.report import Silent
from tests.gateway.pagekit import blocks, run

CONNECT = tuple(f"org.apache.kafka:{name}:{jars.KAFKA_VERSION}" for name in ("connect-runtime", "connect-file"))
DEBEZIUM = ("io.debezium:debezium-connector-postgres:3.2.0.Final",)
MAIN = "org.apache.kafka.connect.cli.ConnectStandalone"
TRADE = "rapport.trade"


def fetched(*coordinates: str) -> list[Path]:
    """The jars of these and of what they need; those of the broker itself are left out."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional extra

    broker = kafka_jars(Silent())
    own = {jar.coordinate.split(":")[1] for jar in jars.pinned()}
    folder = cache_folder() / "-".join(one.split(":")[1] + "-" + one.split(":")[2] for one in coordinates)
    if not (folder / "complete").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as repository:
            context = MavenContext(repo_cache=Path(repository), remote_repos=_repositories(), timeout=60)
            for coordinate in coordinates:
                inputs, more = context.resolver.resolve([context.create_dependency(coordinate)])
                for found in [*inputs, *(one for one in more if one.scope in {"compile", "runtime"})]:
                    if found.artifact.artifactId not in own:
                        shutil.copy(found.artifact.resolve(), folder)
        (folder / "complete").touch()
    return [*sorted(broker.glob("*.jar")), *sorted(folder.glob("*.jar"))]


def properties(page: str, name: str, into: Path, **given: str) -> Path:
    """A block of a page as its file, with what is another here; `__` stands for a dot in a name."""
    (text,) = [block for block in blocks(page, "properties") if block.startswith(f"# {name}")]
    told = {key.replace("__", "."): value for key, value in given.items()}
    lines = [line for line in text.splitlines() if line.partition("=")[0] not in told]
    path = into / name
    path.write_text("\n".join([*lines, *(f"{key}={value}" for key, value in told.items()), ""]), encoding="utf-8")
    return path


@contextmanager
def connect(libraries: list[Path], worker: Path, connector: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Kafka Connect, standalone; killed at the end, as the machine's death would."""
    settings = Path(java.__file__).with_name("log4j2.properties").as_uri()
    command = [str(java.find()), "-Xmx384m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={settings}"]
    command += ["-cp", os.pathsep.join(map(str, libraries)), MAIN, str(worker), str(connector)]
    with worker.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(command, cwd=worker.parent, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def worker_of(kafka: str, folder: Path) -> Path:
    """The worker of the page, for this broker."""
    here = {"bootstrap__servers": kafka, "listeners": f"http://127.0.0.1:{ports.choose()}"}
    return properties("pages/connect.md", "worker.properties", folder, offset__flush__interval__ms="200", **here)


async def taken(kafka: str, ids: set[str]) -> dict[str, tuple[Event, bytes | None]]:
    """Those of these events that lie in the topic of trade as readers take them, with their records' keys."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    found: dict[str, tuple[Event, bytes | None]] = {}
    try:
        places = [TopicPartition(TRADE, number) for number in range(TOPICS[TRADE].partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    try:
                        event = decode(record.value, record.headers, record.key)
                    except Refused as why:
                        text = (record.value or b"").decode(errors="replace")
                        assert not any(number in text for number in ids), f"{why.message}: {record.headers} {text}"
                        continue  # other tests say such things on purpose
                    if not ids or getattr(event.data, "invoice_id", "") in ids:
                        found[getattr(event.data, "invoice_id", "")] = (event, record.key)
    finally:
        await consumer.stop()
    return found


@dataclass(frozen=True)
class Books:
    """A PostgreSQL of the test's own."""

    programs: Path
    port: int

    def sql(self, text: str, database: str = "erp") -> str:
        """What `psql` says to it."""
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "debezium", "-d", database]
        command = [str(self.programs / "psql"), *address, "-v", "ON_ERROR_STOP=1", "-Atc", text]
        return run(command, os.environ, Path(tempfile.gettempdir())).strip()


def programs() -> Path | None:
    """Where PostgreSQL's own programs are; distributions keep them off the PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    found = [*([Path(on_path).parent] if on_path else []), *kept]
    return next((path for path in reversed(found) if (path / "postgres").is_file() and (path / "psql").is_file()), None)


@contextmanager
def postgres() -> Iterator[Books]:
    """Started with logical decoding; it refuses to run as root, so then as its own user."""
    where = programs()
    if where is None:
        pytest.skip("needs PostgreSQL's programs (initdb, postgres, psql)")
    user = None
    if os.geteuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in known else "nobody"
    home = Path(tempfile.mkdtemp(prefix="rapport-books-"))
    if user is not None:
        shutil.chown(home, user)
    data, port = home / "data", ports.choose()
    try:
        made: list[str | Path] = [where / "initdb", "-D", data, "-A", "trust", "-U", "debezium", "--no-sync"]
        subprocess.run(made, user=user, cwd=home, check=True, capture_output=True)
        options: list[str | Path] = [
            "-c",
            "wal_level=logical",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-k",
            home,
        ]
        command = [where / "postgres", "-D", data, "-p", str(port), *options]
        process = subprocess.Popen(command, user=user, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            books = Books(where, port)
            ready: list[str | Path] = [where / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            end = time.monotonic() + 60
            while subprocess.run(ready, check=False).returncode != 0:
                assert process.poll() is None and time.monotonic() < end, "PostgreSQL did not start"
                time.sleep(0.1)
            books.sql("CREATE DATABASE erp", "postgres")
            yield books
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    finally:
        shutil.rmtree(home, ignore_errors=True)
