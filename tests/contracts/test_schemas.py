"""The frozen schemas are what the code reads, and freezing keeps its promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from contracts.commands import schemas_app
from contracts.payload import Id, Payload
from contracts.registry import MODELS
from contracts.schema import FOLDER, compare, freeze, generate, read_frozen, text_of

TYPE = "rapport.kettle.boiled.v1"


class Boiled(Payload, frozen=True, kw_only=True):
    """A payload of these tests."""

    TYPE: ClassVar[str] = TYPE
    kettle_id: Id


class BoiledMore(Payload, frozen=True, kw_only=True):
    """The same with an optional field."""

    TYPE: ClassVar[str] = TYPE
    kettle_id: Id
    litres: int | None = None


class BoiledElse(Payload, frozen=True, kw_only=True):
    """The same with another required field."""

    TYPE: ClassVar[str] = TYPE
    kettle_id: Id
    litres: int


@pytest.mark.parametrize("name", MODELS)
def test_the_frozen_schema_is_the_one_the_code_reads(name: str) -> None:
    assert read_frozen().get(name) == generate(MODELS[name]), f"run `rapport schemas check` about {name}"


def test_every_frozen_schema_has_a_model_and_stands_in_its_file_as_generated() -> None:
    assert set(read_frozen()) == set(MODELS)
    wrong = [
        name
        for name, model in MODELS.items()
        if (FOLDER / f"{name}.json").read_text("utf-8") != text_of(generate(model))
    ]
    assert wrong == []


def test_a_new_type_is_frozen_once_and_then_the_same(tmp_path: Path) -> None:
    assert [one.state for one in compare(tmp_path, {TYPE: Boiled})] == ["new"]
    _, written = freeze(tmp_path, {TYPE: Boiled})
    assert [path.name for path in written] == [f"{TYPE}.json"]
    assert [one.state for one in compare(tmp_path, {TYPE: Boiled})] == ["same"]
    assert freeze(tmp_path, {TYPE: Boiled})[1] == []


def test_an_optional_field_may_be_frozen_and_a_required_one_may_not(tmp_path: Path) -> None:
    freeze(tmp_path, {TYPE: Boiled})
    assert [one.state for one in compare(tmp_path, {TYPE: BoiledMore})] == ["changed"]
    before = (tmp_path / f"{TYPE}.json").read_text("utf-8")
    verdicts, written = freeze(tmp_path, {TYPE: BoiledElse})
    assert ([one.state for one in verdicts], written) == (["broken"], [])
    assert (tmp_path / f"{TYPE}.json").read_text("utf-8") == before
    freeze(tmp_path, {TYPE: BoiledMore})
    assert [one.state for one in compare(tmp_path, {TYPE: BoiledMore})] == ["same"]


def test_one_broken_schema_keeps_the_others_from_being_frozen_too(tmp_path: Path) -> None:
    freeze(tmp_path, {TYPE: Boiled})
    other = "rapport.pot.boiled.v1"
    assert freeze(tmp_path, {TYPE: BoiledElse, other: Boiled})[1] == []


def test_a_frozen_type_whose_model_went_is_told(tmp_path: Path) -> None:
    freeze(tmp_path, {TYPE: Boiled})
    assert [(one.type, one.state) for one in compare(tmp_path, {})] == [(TYPE, "orphan")]


def test_the_command_says_that_all_is_as_frozen() -> None:
    done = CliRunner().invoke(schemas_app, ["check"])
    assert (done.exit_code, str(len(MODELS)) in done.output) == (0, True)


def test_the_command_names_what_breaks_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(tmp_path, {TYPE: Boiled})
    monkeypatch.setattr("contracts.commands.compare", lambda: compare(tmp_path, {TYPE: BoiledElse}))
    done = CliRunner().invoke(schemas_app, ["check"])
    assert done.exit_code == 1
    assert "$.litres" in done.output
    assert "new major version" in done.output


def test_a_schema_names_its_type_and_its_dialect_and_promises_no_null_for_absent_fields() -> None:
    schema = generate(MODELS["rapport.invoice.issued.v1"])
    assert schema["title"] == "rapport.invoice.issued.v1"
    assert schema["$schema"].endswith("2020-12/schema")
    assert '"null"' not in json.dumps(schema)
    assert '"null"' in json.dumps(generate(MODELS["rapport.credit_limit.set.v1"])["properties"]["limit"])
