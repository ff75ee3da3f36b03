"""One real Kafka broker, its own controller, for a data folder."""

import os
import re
import shutil
import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from deploy.local import diagnose, java
from deploy.local.errors import StackError
from deploy.local.fetch import kafka_jars
from deploy.local.part import Part
from deploy.local.paths import Home
from deploy.local.ports import LOCAL
from deploy.local.process import UTF8
from deploy.local.report import Report
from deploy.local.state import Ports

NAME = "kafka"
_OLDEST = (4, 0)
_FIND_COORDINATOR = 10
_MAIN = "kafka.Kafka"


def part() -> Part:
    """The broker, as something that the stack can start."""
    return Part(
        name=NAME,
        ready_s=90,
        ports=lambda ports: {"kafka": ports.kafka, "kafka's controller": ports.controller},
        address=lambda ports: f"{LOCAL}:{ports.kafka}",
        command=_command,
        ready=lambda ports: answers(ports.kafka),
        marks=lambda home: (_MAIN, str(home.kafka_properties)),
    )


def answers(port: int) -> bool:
    """Whether a broker on this port takes work: it can name the coordinator of a consumer group.

    The first such question makes the broker create its topic of offsets, so that no consumer has to wait for it.
    """
    group = b"rapport-stack"
    body = struct.pack(">hhih", _FIND_COORDINATOR, 1, 1, -1) + struct.pack(f">h{len(group)}sb", len(group), group, 0)
    try:
        with socket.create_connection((LOCAL, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            with connection.makefile("rb") as answer:
                _size, _correlation, _throttled, error = struct.unpack(">iiih", answer.read(14))
    except (OSError, struct.error):
        return False
    return bool(error == 0)


def _command(home: Home, ports: Ports, report: Report) -> list[str]:
    """What starts the broker, once Java, jars, settings and a formatted data folder are there."""
    runtime = java.find()
    libraries = _on_path() or kafka_jars(report)
    home.kafka_properties.write_text(_properties(home, ports), encoding="ascii")
    if not (home.kafka / "meta.properties").is_file():
        _format(runtime, libraries, home)
    return [*_java(runtime, libraries, heap="-Xmx512m"), _MAIN, str(home.kafka_properties)]


def _on_path() -> Path | None:
    """The jars of a Kafka 4 whose start script is on the PATH."""
    script = shutil.which("kafka-server-start.sh")
    if script is None:
        return None
    libraries = Path(script).resolve().parent.parent / "libs"
    for jar in libraries.glob("kafka_2.13-*.jar"):
        if (version := re.match(r"kafka_2\.13-(\d+)\.(\d+)\.\d+\.jar", jar.name)) and (
            int(version.group(1)),
            int(version.group(2)),
        ) >= _OLDEST:
            return libraries
    return None


def _java(runtime: Path, libraries: Path, *, heap: str) -> list[str]:
    settings = Path(__file__).with_name("log4j2.properties")
    # Serial collection: on two shared cores the concurrent collector takes time from broker and database.
    return [
        str(runtime),
        heap,
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={settings.as_uri()}",
        "-cp",
        f"{libraries}{os.sep}*",
    ]


def _format(runtime: Path, libraries: Path, home: Home) -> None:
    """Give an empty data folder its identity. An earlier attempt that was interrupted is cleared away."""
    leftovers = [entry.name for entry in home.kafka.iterdir()] if home.kafka.is_dir() else []
    if set(leftovers) - {"bootstrap.checkpoint", "__cluster_metadata-0", ".lock"}:
        raise StackError(
            f"The data folder {home.root} is damaged: {home.kafka} holds topics but no meta.properties.",
            "Run `rapport stack wipe` to start afresh, or put back a copy of the folder.",
        )
    shutil.rmtree(home.kafka, ignore_errors=True)
    home.kafka.mkdir(parents=True)
    identity = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    log = home.log_of(NAME)
    since = log.stat().st_size if log.exists() else 0
    # It is over before a thorough compiler has paid for itself.
    quick = [*_java(runtime, libraries, heap="-Xmx128m"), "-XX:TieredStopAtLevel=1"]
    command = [*quick, "kafka.tools.StorageTool"]
    # In one argument with its name, because an identity may begin with a dash.
    command += ["format", f"--cluster-id={identity}", "--config", str(home.kafka_properties)]
    environment = {**os.environ, **UTF8}
    with log.open("ab") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, check=False)
    if done.returncode != 0:
        raise diagnose.dead(NAME, home, since)


def _properties(home: Home, ports: Ports) -> str:
    broker, controller = f"{LOCAL}:{ports.kafka}", f"{LOCAL}:{ports.controller}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        # A fixed voter, not a stored one: the ports may change while the data stays.
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": home.kafka,
        "auto.create.topics.enable": "false",
        "num.partitions": 8,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        # The clock of a partition is the broker's append time (design.md, guarantee 8).
        "log.message.timestamp.type": "LogAppendTime",
        "log.retention.hours": 24 * 30,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A killed broker may register again once its old session is over: seconds, where the default takes nine.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3000,
        # Small tables and sparse files: this broker holds test data beside a database on one machine.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
    }
    return "".join(f"{name}={_escaped(str(value))}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    """Java reads properties as Latin-1, and folders have names in every script."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 0x7F else f"\\u{code:04x}" for code in codes)
