"""What another team's CI sees of a file of events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from contracts.commands import validate
from tests.contracts.golden import FOLDER

GOOD = FOLDER / "rapport.invoice.issued.v1" / "valid-minimal.json"
BAD = FOLDER / "rapport.invoice.issued.v1" / "invalid-three-decimals.json"
app = typer.Typer()
app.command()(validate)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def line(path: Path, **other: object) -> str:
    return json.dumps(json.loads(path.read_bytes()) | other)


def test_a_file_of_good_events_passes(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{line(GOOD)}\n\n{line(GOOD, id='another')}\n", "utf-8")
    done = run(file)
    assert done.exit_code == 0
    assert "1: accepted rapport.invoice.issued.v1 C100234" in done.output
    assert "3: accepted" in done.output
    assert "2 accepted, 0 repeat, 0 refused" in done.output


def test_one_refused_event_fails_the_file_and_is_named_by_line_reason_and_place(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{line(GOOD)}\n{line(BAD)}\n{{broken\n", "utf-8")
    done = run(file)
    assert done.exit_code == 1
    assert (
        "2: REFUSED bad_money: 1250.505 has more decimals than CNY has; expected at most 2 (at $.total)" in done.output
    )
    assert "3: REFUSED malformed_json" in done.output


def test_quiet_shows_the_refused_only(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{line(GOOD)}\n{line(BAD)}\n", "utf-8")
    assert "1: accepted" not in run(file, "--quiet").output


def test_a_repeat_is_told_and_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{line(GOOD)}\n{line(GOOD)}\n", "utf-8")
    done = run(file)
    assert done.exit_code == 0
    assert "2: repeat" in done.output


@pytest.mark.parametrize("text", ["[{0}, {1}]", "{0}\n{1}\n"], ids=["a list", "lines"])
def test_a_json_file_may_hold_a_list_or_lines(tmp_path: Path, text: str) -> None:
    file = tmp_path / "events.json"
    file.write_text(text.replace("{0}", line(GOOD)).replace("{1}", line(BAD)), "utf-8")
    done = run(file, "--json")
    assert done.exit_code == 1
    verdicts = [json.loads(one) for one in done.output.splitlines()]
    assert [(one["place"], one["verdict"], one["reason"]) for one in verdicts] == [
        (1, "accepted", None),
        (2, "refused", "bad_money"),
    ]


def test_an_example_file_is_one_event() -> None:
    assert run(GOOD).exit_code == 0
    assert run(BAD).exit_code == 1


def test_an_event_of_next_week_is_refused_as_it_would_be_if_sent_now(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(line(GOOD, time="2199-01-01T00:00:00Z"), "utf-8")
    assert "absurd_time" in run(file).output


def test_an_empty_file_fails_because_nothing_was_checked(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.touch()
    done = run(file)
    assert (done.exit_code, "holds no event" in done.output) == (1, True)
