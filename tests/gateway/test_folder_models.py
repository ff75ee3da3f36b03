"""The watched folder without files: which names are meant, whose they are, when one is whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.model.drops import Mark, Place, Settling, kept_name, place_of, shown, unfinished
from services.gateway.model.kinds import KINDS


@pytest.mark.parametrize(
    ("path", "source", "kind"),
    [
        ("erp/invoices", "erp", "invoices"),
        ("erp/shanghai/purchases", "erp/shanghai", "purchases"),
        ("客户系统/customers", "客户系统", "customers"),
    ],
)
def test_the_folders_say_whose_files_they_hold_and_of_which_kind(path: str, source: str, kind: str) -> None:
    place = place_of(tuple(path.split("/")), KINDS)
    assert place is not None and (place.source, place.kind) == (source, kind)


@pytest.mark.parametrize("path", ["invoices", "erp", "erp/letters", "erp/ invoices", "er\np/invoices", "a\\b/invoices"])
def test_nothing_is_taken_from_any_other_folder(path: str) -> None:
    assert place_of(tuple(path.split("/")), KINDS) is None


@pytest.mark.parametrize("name", [".a.csv", "~$a.xlsx", "a.csv.part", "a.CSV.TMP", "a.csv~", "a.filepart", "#a.csv#"])
def test_what_is_still_being_written_has_a_name_that_says_so(name: str) -> None:
    assert unfinished(name)
    assert not unfinished("应收 2026-11.csv") and not unfinished("a..csv") and not unfinished("a")


@given(st.text(min_size=1, max_size=255), st.sampled_from(["20261122-220102-ab12cd34", "20261122-220102-123456789"]))
def test_a_file_is_put_away_under_a_name_that_can_be_one(name: str, mark: str) -> None:
    made = kept_name(mark, name)
    assert made.startswith(f"{mark}-") and "/" not in made and "\0" not in made and made.isprintable()
    assert len(f".{made}-2.refused.csv.part".encode()) <= 255
    assert shown(made) == made


def test_its_ending_stays() -> None:
    assert kept_name("m", "长" * 200 + ".xlsx").endswith("长.xlsx")
    assert kept_name("m", "a.csv") == "m-a.csv"


def mark(size: int, moment: int = 0, path: str = "a") -> Mark:
    return Mark(path, 7, size, moment)


def test_a_file_is_whole_when_it_has_stayed_the_same_for_long_enough() -> None:
    settling = Settling(10)
    assert settling.look({"a": mark(1)}, 0) == set()
    assert settling.look({"a": mark(1)}, 9) == set()
    assert settling.look({"a": mark(2)}, 10) == set(), "it has grown"
    assert settling.look({"a": mark(2, 5)}, 15) == set(), "it was written to"
    assert settling.look({"a": mark(2, 5), "b": mark(1, path="b")}, 25) == {"a"}
    assert settling.look({"b": mark(1, path="b")}, 35) == {"b"}
    assert settling.look({"a": mark(2, 5)}, 36) == set(), "it was gone meanwhile"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=30), st.integers(1, 15))
def test_no_file_is_whole_sooner_however_it_is_looked_at(looks: list[tuple[int, int]], seconds: int) -> None:
    settling, now = Settling(seconds), 0
    changed, last = 0, -1
    for size, later in looks:
        now += later
        if size != last:
            changed, last = now, size
        assert ("a" in settling.look({"a": mark(size)}, now)) == (now - changed >= seconds)


def test_a_mark_tells_the_same_file_at_another_moment_from_another_file() -> None:
    assert mark(2).text.startswith(mark(1).place) and mark(1).text != mark(2).text
    assert not mark(1, path="ab").text.startswith(mark(1).place)
    assert Place(("a", "b", "invoices")).source == "a/b"
