"""A data folder and what belongs to it, without broker or database."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local import java, mongo, process, stack, state
from deploy.local.commands import app
from deploy.local.errors import StackError
from deploy.local.lock import locked
from deploy.local.paths import Home, default_home
from deploy.local.ports import choose, is_free

NO_KAFKA = stack.Given(kafka="broker.example:9092")
SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[process.ProcessRef]:
    """A process that does nothing, as a service would look to the stack."""
    running = process.spawn([sys.executable, "-c", SLEEPER], log=tmp_path / "sleeper.log")
    yield running
    process.stop(running, grace_s=0, kill=True)


def test_status_of_a_folder_that_does_not_exist_is_empty_and_creates_nothing(home: Path) -> None:
    assert stack.status(home) == stack.Status()
    assert stack.down(home) == []
    assert not home.exists()


def test_what_is_registered_is_shown_and_stopped(home: Path, sleeper: process.ProcessRef) -> None:
    place = Home(home)
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, place)
    state.register("mailbox", "http://127.0.0.1:2", sleeper.pid, place)
    seen = stack.status(home)
    assert seen.services == {"alerts": "http://127.0.0.1:1"}
    assert seen.mailbox == "http://127.0.0.1:2"
    assert set(stack.down(home)) <= {"alerts", "mailbox"}
    assert not process.alive(sleeper)
    assert stack.status(home) == stack.Status()


def test_what_is_forgotten_is_neither_shown_nor_stopped(home: Path, sleeper: process.ProcessRef) -> None:
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    state.forget("alerts", Home(home))
    state.forget("never there", Home(home))
    assert stack.down(home) == []
    assert process.alive(sleeper)


def test_a_service_that_died_is_reported_and_not_listed(home: Path, sleeper: process.ProcessRef) -> None:
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    process.stop(sleeper, grace_s=0, kill=True)
    seen = stack.status(home)
    assert seen.services == {}
    assert "alerts has died" in seen.problems[0]


def test_only_a_running_process_can_be_registered(home: Path, sleeper: process.ProcessRef) -> None:
    process.stop(sleeper, grace_s=0, kill=True)
    with pytest.raises(StackError, match="not running"):
        state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))


def test_down_spares_the_process_that_calls_it(home: Path) -> None:
    state.register("demo", "http://127.0.0.1:1", os.getpid(), Home(home))
    assert stack.down(home) == []
    state.forget("demo", Home(home))


def test_a_process_id_that_went_to_somebody_else_is_not_touched(sleeper: process.ProcessRef) -> None:
    other = process.ProcessRef(pid=sleeper.pid, born="another moment")
    assert not process.alive(other)
    assert not process.stop(other, grace_s=0, kill=True)
    assert process.alive(sleeper)


def test_a_process_that_ignores_the_request_is_killed_after_its_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = process.spawn([sys.executable, "-c", STUBBORN], log=log)
    assert process.wait_until(lambda: "deaf" in log.read_text(), deadline_s=20)
    assert process.stop(stubborn, grace_s=0.1)
    assert not process.alive(stubborn)


def test_a_copied_folder_owns_none_of_the_processes(home: Path, tmp_path: Path, sleeper: process.ProcessRef) -> None:
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "state.json").write_bytes((home / "state.json").read_bytes())
    assert stack.status(copy).services == {}
    assert stack.down(copy) == []
    assert process.alive(sleeper)


@pytest.mark.parametrize("content", [b"", b"{", b'{"home": 3}', b'{"home": "x", "ports": {"kafka": "a"}}'])
def test_a_damaged_state_file_is_named_and_wiping_helps(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "state.json").write_bytes(content)
    with pytest.raises(StackError) as caught:
        stack.up(home)
    assert f"{home} is damaged" in caught.value.what
    assert "rapport stack wipe" in caught.value.next_step
    stack.wipe(home)
    assert stack.status(home) == stack.Status()


def test_a_port_that_somebody_else_has_taken_is_named(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert not is_free(port)

        def keep(known: state.State) -> None:
            known.ports = state.Ports(kafka=choose(), controller=choose(), mongo=port)

        home.mkdir()
        state.change(Home(home), keep)
        with pytest.raises(StackError) as caught:
            stack.up(home, given=NO_KAFKA)
    assert f"Port {port}, kept for mongo" in caught.value.what
    assert "--new-ports" in caught.value.next_step


def test_a_platform_without_a_packaged_database_is_sent_to_docker_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackError) as caught:
        mongo.find(system="Darwin", machine="arm64")
    assert "none can be fetched for Darwin on arm64" in caught.value.what
    assert "docker compose up" in caught.value.next_step


def test_parts_on_the_path_win_unless_they_are_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "mongod", "echo 'db version v8.0.4'")
    program(tmp_path / "java", "echo 'openjdk version \"21.0.1\" 2023-10-17' >&2")
    assert mongo.find() == tmp_path / "mongod"
    assert java.find() == tmp_path / "java"
    program(tmp_path / "mongod", "echo 'db version v4.4.1'")
    program(tmp_path / "java", "echo 'java version \"1.8.0_292\"' >&2")
    assert tmp_path not in mongo.find().parents
    assert tmp_path not in java.find().parents


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="cannot be written"):
        stack.up(tmp_path / "file")


def test_a_comma_in_the_folder_name_is_refused_before_kafka_splits_it(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="comma"):
        stack.up(tmp_path / "a,b")


def test_wiping_a_folder_that_held_other_things_leaves_them(home: Path, sleeper: process.ProcessRef) -> None:
    home.mkdir()
    (home / "letter.txt").write_text("mine")
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    stack.wipe(home)
    assert [path.name for path in home.iterdir()] == ["letter.txt"]
    assert not process.alive(sleeper)


def test_wiping_a_folder_of_our_own_removes_it(home: Path, sleeper: process.ProcessRef) -> None:
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    stack.wipe(home)
    assert not home.exists()


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from deploy.local.lock import locked\n"
        "with locked(Path(sys.argv[1]), wait_s=1): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    told = []
    with pytest.raises(StackError, match="has held"), locked(lock, wait_s=0.1, waiting=lambda: told.append(1)):
        pass
    assert told == [1]
    holder.kill()
    holder.communicate()
    with locked(lock, wait_s=5):
        pass


def test_the_default_folder_is_the_checkouts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAPPORT_HOME", raising=False)
    inside = tmp_path / "checkout" / "services" / "alerts"
    inside.mkdir(parents=True)
    (tmp_path / "checkout" / "deploy" / "local").mkdir(parents=True)
    (tmp_path / "checkout" / "deploy" / "local" / "jars.lock").touch()
    monkeypatch.chdir(inside)
    assert default_home().root == tmp_path / "checkout" / ".rapport"
    monkeypatch.chdir(tmp_path)
    assert default_home().root == tmp_path / ".rapport"
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path / "elsewhere"))
    assert default_home().root == tmp_path / "elsewhere"


def test_status_as_json_keeps_its_keys(home: Path, sleeper: process.ProcessRef) -> None:
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    answer = CliRunner().invoke(app, ["status", "--json"], env={"RAPPORT_HOME": str(home), "RAPPORT_KAFKA": "b:9092"})
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == {
        "kafka": "b:9092",
        "mongo": None,
        "mailbox": None,
        "services": {"alerts": "http://127.0.0.1:1"},
    }


def test_the_command_tells_what_is_wrong_and_fails(home: Path, sleeper: process.ProcessRef) -> None:
    state.register("alerts", "http://127.0.0.1:1", sleeper.pid, Home(home))
    process.stop(sleeper, grace_s=0, kill=True)
    answer = CliRunner().invoke(app, ["status"], env={"RAPPORT_HOME": str(home)})
    assert answer.exit_code == 1
    assert "alerts has died" in answer.stderr


def test_wipe_does_nothing_unasked(home: Path) -> None:
    home.mkdir()
    answer = CliRunner().invoke(app, ["wipe"], env={"RAPPORT_HOME": str(home)})
    assert answer.exit_code == 2
    assert "--yes" in answer.stderr
    assert home.exists()
    assert CliRunner().invoke(app, ["wipe", "--yes"], env={"RAPPORT_HOME": str(home)}).exit_code == 0
    assert CliRunner().invoke(app, ["down"], env={"RAPPORT_HOME": str(home)}).stdout == "Nothing was running.\n"
