"""House rules a machine can hold: what is too easily forgotten to be left to memory.

An exception stands in a table here, with its ceiling and its reason, or it is none.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.chassis.erase import unregistered
from services.operate import SERVICES

ROOT = Path(__file__).parent.parent
CODE = ("contracts", "services", "deploy")
FUNCTION_LINES = 40  # without its docstring
FILE_LINES = 320
# What is longer, and how long it may be: one thing told in order, which cutting would only scatter.
LONG_FUNCTIONS = {
    "services/chassis/web.py:create_app": 45,
}
LONG_FILES = {
    "services/chassis/apply.py": 400,
    "services/chassis/runtime.py": 400,
}
# A test file is a list, read from the name of one test and not as a whole; a test tells its story in one piece.
TEST_FILE_LINES = 400
TEST_FUNCTION_LINES = 60
DOMAIN_FILES = {
    "__init__.py",
    "__main__.py",
    "app.py",
    "settings.py",
    "api.py",
    "handlers.py",
    "store.py",
    "emits.py",
    "model/__init__.py",
    "README.md",
}
SLEEP_SECONDS = 0.5  # between two looks at a condition
TIMED = ("tests/faults/", "tests/bench/")  # there the time that passes is the thing itself: an outage, a window
HANGS_SECONDS = 30  # nobody waits so long for anything: it stands for a part that does not answer

# Written in parts, so that this file keeps the rule itself.
MACHINE_PATHS = re.compile(r"(?<![\w.:$}/-])/(?:" + "|".join(("work", "root", "home", "Users", "mnt")) + r")/\w")
REGISTRIES = re.compile(
    r"\b(?:" + "|".join((r"pypi\.\w+", r"python" + "hosted", r"repo1?\.maven", r"npm" + r"js\.\w+", "docker" + r"\.io"))
    # One of these options in a lock or script would name an index as well.
    + r"|ghcr\.io|quay\.io)\b|--(?:extra-)?index" + r"-url|--find" + "-links"
)  # fmt: skip
STATISTICS = ("services/alerts/model/cadence/", "services/alerts/model/activity/")


def tracked(*suffixes: str) -> list[Path]:
    """Files of the repository that git tracks or would, with one of the suffixes (none: all)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    paths = sorted(ROOT / name for name in set(listed.split("\0")) if name)
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Every Python file under the folders with its tree."""
    for path in tracked(".py"):
        if name_of(path).split("/")[0] in folders:
            yield name_of(path), ast.parse(path.read_text("utf-8"))


def functions(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of a module, named with what it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inside + node.name, node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from functions(node, f"{inside}{node.name}.")
        elif not isinstance(node, ast.expr):
            yield from functions(node, inside)


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines without the docstring: what is explained must not be paid for."""
    first = function.body[0]
    spent = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function, clean=False) is not None else 0
    return (function.end_lineno or 0) - function.lineno + 1 - spent


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Calls of a function by the last part of its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
            yield node


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(one.value) for one in call.keywords if one.arg == name), None)


def test_no_file_names_a_folder_of_one_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATHS.search(line) or REGISTRIES.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    assert not found, "these hold on one machine only; take them from the environment:\n" + "\n".join(found)


def test_no_file_is_a_link() -> None:
    """A link to a folder of one machine takes the place of everybody's own."""
    staged = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [line for line in staged.splitlines() if line.startswith("120000")] == []


def test_a_function_fits_on_a_screen() -> None:
    found = []
    for name, tree in python(*CODE, "tests"):
        for function, node in functions(tree):
            common = TEST_FUNCTION_LINES if name.startswith("tests/") else FUNCTION_LINES
            length, most = lines_of(node), LONG_FUNCTIONS.get(f"{name}:{function}", common)
            if length > most:
                found.append(f"{name}:{function} has {length} lines, at most {most}")
    assert not found, "\n".join(found)


def test_a_file_is_read_in_one_sitting() -> None:
    found = []
    for path in tracked(".py"):
        length, name = len(path.read_text("utf-8").splitlines()), name_of(path)
        most = TEST_FILE_LINES if name.startswith("tests/") else LONG_FILES.get(name, FILE_LINES)
        if length > most:
            found.append(f"{name} has {length} lines, at most {most}")
    assert not found, "\n".join(found)


def test_no_exception_to_a_rule_outlives_its_reason() -> None:
    lengths = {
        f"{name}:{function}": lines_of(node) for name, tree in python(*CODE) for function, node in functions(tree)
    }
    stale = [name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= FUNCTION_LINES]
    for name in LONG_FILES:
        path = ROOT / name
        if not path.exists() or len(path.read_text("utf-8").splitlines()) <= FILE_LINES:
            stale.append(name)
    assert not stale, f"strike them off the table of this file: {stale}"


def _undocumented(holder: object, module: str, inside: str = "") -> Iterator[str]:
    for name, value in list(vars(holder).items()):
        if name.startswith("_") or not (
            inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, property)
        ):
            continue
        plain = value.fget if isinstance(value, property) else inspect.unwrap(getattr(value, "__func__", value))
        if getattr(plain, "__module__", None) != module or getattr(plain, "__name__", "") == "<lambda>":
            continue
        # A method may leave it to the class it fills in for.
        if not inspect.getdoc(getattr(holder, name)):
            yield f"{module}.{inside}{name}"
        if inspect.isclass(value):
            yield from _undocumented(value, module, f"{name}.")


def test_everything_public_in_contracts_and_chassis_says_what_it_promises() -> None:
    found: list[str] = []
    for name, _ in python("contracts", "services"):
        if name.startswith(("contracts/", "services/chassis/")) and not name.endswith("__main__.py"):
            module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            found += _undocumented(importlib.import_module(module), module)
    assert not found, "a public name of these rooms needs a docstring:\n" + "\n".join(found)


def test_tests_wait_for_a_condition_and_never_for_a_time() -> None:
    found = []
    for name, tree in python("tests"):
        if name.startswith(TIMED):
            continue
        looped = {id(call) for loop in ast.walk(tree) if isinstance(loop, ast.While | ast.For | ast.AsyncFor)
                  for call in calls(loop, "sleep")}  # fmt: skip
        for call in calls(tree, "sleep"):
            length = ast.literal_eval(call.args[0]) if call.args and isinstance(call.args[0], ast.Constant) else None
            harmless = length == 0 or (length is not None and length >= HANGS_SECONDS)
            polling = id(call) in looped and (length is None or length <= SLEEP_SECONDS)
            if not (harmless or polling):
                found.append(f"{name}:{call.lineno}: {ast.unparse(call)}")
    assert not found, "poll what you wait for, with a deadline:\n" + "\n".join(found)


def test_models_know_neither_clock_nor_chance_nor_floats() -> None:
    """Time is an argument and money is decimal; a rule that could not be told again is no rule. Statistics of days have
    floats, and no money.
    """
    banned = {"now", "today", "utcnow", "time_ns", "monotonic", "perf_counter", "random", "uuid4", "getenv", "open"}
    found = []
    for name, tree in python("services"):
        if "/model/" not in name:
            continue
        found += [f"{name}:{call.lineno}: {ast.unparse(call)}" for call in calls(tree, *banned)]
        for node in ast.walk(tree):
            if name.startswith(STATISTICS):
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.append(f"{name}:{node.lineno}: {node.value}")
            if isinstance(node, ast.Name) and node.id == "float":
                found.append(f"{name}:{node.lineno}: float")
    assert not found, "\n".join(found)


def test_no_consumer_or_producer_uses_a_default_that_loses_events() -> None:
    """Tried on a broker: design decision "The loop is ours" in DECISIONS.md."""
    found = []
    for name, tree in python(*CODE):
        for call in calls(tree, "AIOKafkaProducer"):
            if (keyword(call, "enable_idempotence"), keyword(call, "acks")) != ("True", "'all'"):
                found.append(f"{name}:{call.lineno}: a producer is idempotent and waits for all replicas")
        for call in calls(tree, "subscriber", "AIOKafkaConsumer"):
            if keyword(call, "auto_offset_reset") not in ("'none'", "'earliest'"):
                found.append(f"{name}:{call.lineno}: the default reset reads half of an added partition")
            if keyword(call, "ack_policy") not in (None, "AckPolicy.MANUAL") or keyword(call, "enable_auto_commit"):
                found.append(f"{name}:{call.lineno}: offsets are committed by hand, after the transaction")
        for call in calls(tree, "commit"):
            if "consumer" in ast.unparse(call.func) and not call.args:
                found.append(f"{name}:{call.lineno}: a commit without offsets passes what failed")
    assert not found, "\n".join(found)


def test_an_in_memory_broker_proves_nothing_here() -> None:
    fake = "Test" + "KafkaBroker"
    assert not [name_of(path) for path in tracked(".py") if fake in path.read_text("utf-8")]


@pytest.fixture
def services_here() -> list[Path]:
    """The services that have a domain: every folder beside the chassis."""
    return [path for path in sorted((ROOT / "services").iterdir()) if (path / "__main__.py").is_file()]


def test_every_service_forgets_and_hands_out() -> None:
    assert unregistered(service for service, _ in (make() for make in SERVICES.values())) == []


def test_every_service_folder_is_registered(services_here: list[Path]) -> None:
    assert {path.name for path in services_here} == set(SERVICES)


def test_every_service_has_the_same_file_names(services_here: list[Path]) -> None:
    missing = {path.name: sorted(DOMAIN_FILES - _names(path)) for path in services_here}
    assert not {name: files for name, files in missing.items() if files}


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_ci_runs_what_the_readme_tells_a_developer_to_run() -> None:
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text("utf-8")
        block = re.search(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
        assert block is not None, f"{readme} shows no commands"
        assert re.search(r"^make demo\b", block[1], re.MULTILINE), f"{readme} begins with the demo"
        assert re.search(r"^make test\b", block[1], re.MULTILINE), f"{readme} begins with the tests"
    assert re.search(r"^stage make test\b", run, re.MULTILINE)
    assert os.access(ROOT / ".ci" / "run", os.X_OK), ".ci/run can be run as it is"


def test_make_has_every_target_the_pages_name() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for path in tracked(".md"):
        # In code only: `make check`, or a line of a block of commands.
        named = re.findall(r"(?:`|^)make ([a-z]+)\b", path.read_text("utf-8"), re.MULTILINE)
        assert set(named) <= targets, f"{name_of(path)} names {sorted(set(named) - targets)}"


def test_a_link_of_a_page_leads_somewhere() -> None:
    found = []
    for path in tracked(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                found.append(f"{name_of(path)}: {target}")
    assert not found, "\n".join(found)


def test_what_needs_the_broker_says_so(request: pytest.FixtureRequest) -> None:
    """`make check` leaves out what is marked; a test that starts the stack by its fixture alone would not be."""
    unmarked = {
        item.location[0]
        for item in request.session.items
        if "stack" in getattr(item, "fixturenames", ()) and item.get_closest_marker("stack") is None
    }
    assert not unmarked, f"give these `pytest.mark.stack`: {sorted(unmarked)}"
