"""One real mongod, a replica set of one, for a data folder."""

import platform
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.mongo_wire import Document, command
from deploy.local.part import Part
from deploy.local.paths import Home
from deploy.local.ports import LOCAL
from deploy.local.report import Report
from deploy.local.state import Ports

NAME = "mongo"
REPLICA_SET = "rapport"
_OLDEST = 6
_NOT_INITIATED = 94
# Answers of a server that is still reading the configuration it already has: asking again is enough.
_NOT_YET = {23, 94, 109, 10107, 11602}


def find(system: str = platform.system(), machine: str = platform.machine()) -> Path:
    """mongod 6 or newer from the PATH, or from the Python package that carries one for this system and machine.

    Raises StackError when there is neither.
    """
    found = shutil.which("mongod")
    if found and _major(found) >= _OLDEST:
        return Path(found)
    if (system, machine) != ("Linux", "x86_64"):
        raise StackError(
            f"No mongod {_OLDEST} or newer is on the PATH, and none can be fetched for {system} on {machine}.",
            "Use `docker compose up` here, or set RAPPORT_MONGO to the address of a replica set.",
        )
    package = find_spec("fiftyone")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (carried := Path(folder) / "db" / "bin" / "mongod").is_file():
            return carried
    raise StackError(
        f"No mongod {_OLDEST} or newer is on the PATH, and the Python package that carries one is not installed.",
        "Run `pip install '.[stack]'`, or set RAPPORT_MONGO to the address of a replica set.",
    )


def part() -> Part:
    """The database, as something that the stack can start."""
    return Part(
        name=NAME,
        ready_s=60,
        ports=lambda ports: {"mongo": ports.mongo},
        address=lambda ports: f"mongodb://{LOCAL}:{ports.mongo}/?replicaSet={REPLICA_SET}",
        command=_command,
        ready=lambda ports: _writable(ports.mongo),
        settle=lambda ports: make_replica_set(ports.mongo),
        marks=lambda home: ("--dbpath", str(home.mongo)),
    )


def make_replica_set(port: int) -> None:
    """Make the running database a set of one, known by this port; nothing happens where it is one or is busy starting.

    Raises StackError when the database refuses.
    """
    address = f"{LOCAL}:{port}"
    try:
        answer = _ask(port, {"replSetGetConfig": 1})
        if answer.get("code") == _NOT_INITIATED:
            members = [{"_id": 0, "host": address}]
            _require(_ask(port, {"replSetInitiate": {"_id": REPLICA_SET, "members": members}}))
        elif "config" in answer and answer["config"]["members"][0]["host"] != address:
            _require(_ask(port, {"replSetReconfig": _moved(answer["config"], address), "force": True}))
    except OSError:
        return  # It does not listen yet; whoever waits for it calls again.


def _writable(port: int) -> bool:
    try:
        return bool(_ask(port, {"hello": 1}).get("isWritablePrimary"))
    except OSError:
        return False


def _command(home: Home, ports: Ports, _report: Report) -> list[str]:
    home.mongo.mkdir(parents=True, exist_ok=True)
    command = [str(find()), "--dbpath", str(home.mongo), "--port", str(ports.mongo), "--bind_ip", LOCAL]
    command += ["--nounixsocket", "--quiet", "--replSet", REPLICA_SET]
    command += ["--oplogSize", "1024", "--wiredTigerCacheSizeGB", "1"]
    # A killed worker's open transaction must not hold up its successor for the default minute (design.md, guarantee 7).
    command += ["--setParameter", "transactionLifetimeLimitSeconds=10"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    return command


def _ask(port: int, body: Document) -> Document:
    return command((LOCAL, port), body)


def _moved(config: Document, address: str) -> Document:
    """The same set at another address: the folder has been given new ports."""
    member = {**config["members"][0], "host": address}
    return {**config, "version": config["version"] + 1, "members": [member]}


def _require(answer: Document) -> None:
    if "errmsg" in answer and answer.get("code") not in _NOT_YET:
        raise StackError(
            f"MongoDB could not be set up as a replica set: {answer['errmsg']}",
            "Run `rapport stack wipe` to start afresh.",
        )


def _major(program: str) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30)
    stated = re.search(r"db version v(\d+)", answer.stdout)
    return int(stated.group(1)) if stated else 0
