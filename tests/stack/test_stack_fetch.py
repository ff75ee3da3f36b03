"""Fetching jars into the shared cache, from a small repository on this machine."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.fetch import complete, require_space
from deploy.local.jars import Jar, pinned
from deploy.local.report import Plain, Silent


@dataclass
class Repository:
    """A Maven repository that counts what is asked of it and can break off in the middle of an answer."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    break_off: int = 0

    def add(self, name: str, content: bytes) -> Jar:
        self.files[f"/org/example/{name}/1.0/{name}-1.0.jar"] = content
        digest = hashlib.sha256(content).hexdigest()
        return Jar(coordinate=f"org.example:{name}:1.0", size=len(content), sha256=digest)

    def jars_asked(self) -> dict[str, int]:
        return {path.rsplit("/", 1)[1]: times for path, times in self.asked.items() if path.endswith(".jar")}


class Answer(BaseHTTPRequestHandler):
    def __init__(self, repository: Repository, *rest: object) -> None:
        self.repository = repository
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.repository.asked[self.path] += 1
        content = self.repository.files.get(self.path)
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content and self.repository.break_off:
            self.repository.break_off -= 1
            content = content[: len(content) // 2]
        self.wfile.write(content or b"")

    def log_message(self, *_arguments: object) -> None:
        """The test's output is not a server's log."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    shelf = Repository()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Answer, shelf))
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    point_at(shelf.address, tmp_path, monkeypatch)
    yield shelf
    server.shutdown()
    server.server_close()
    serving.join()


def point_at(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name this repository as the mirror, as a user behind one does."""
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = {address}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_missing_is_fetched_and_nothing_else_is_left(repository: Repository, tmp_path: Path) -> None:
    jars = (repository.add("one", b"1" * 9000), repository.add("two", b"2" * 20))
    cache = tmp_path / "cache"
    complete(jars, cache / "jars", Silent())
    assert held(cache / "jars") == {"one-1.0.jar": b"1" * 9000, "two-1.0.jar": b"2" * 20}
    assert sorted(path.name for path in cache.iterdir()) == ["jars", "jars.lock"]


def test_a_complete_cache_asks_nothing_of_the_network(repository: Repository, tmp_path: Path) -> None:
    jars = (repository.add("one", b"1"),)
    complete(jars, tmp_path / "jars", Silent())
    repository.asked.clear()
    complete(jars, tmp_path / "jars", Silent())
    assert repository.asked == {}


def test_a_file_that_was_cut_short_in_the_cache_is_fetched_again_and_only_it(
    repository: Repository, tmp_path: Path
) -> None:
    jars = (repository.add("one", b"1" * 50), repository.add("two", b"2" * 50))
    complete(jars, tmp_path / "jars", Silent())
    repository.asked.clear()
    (tmp_path / "jars" / "two-1.0.jar").write_bytes(b"2" * 49)
    complete(jars, tmp_path / "jars", Silent())
    assert repository.jars_asked() == {"two-1.0.jar": 1}
    assert held(tmp_path / "jars")["two-1.0.jar"] == b"2" * 50


def test_two_checkouts_that_start_at_once_fetch_each_file_once(repository: Repository, tmp_path: Path) -> None:
    jars = tuple(repository.add(f"jar{number}", bytes([number]) * 5000) for number in range(12))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: complete(jars, tmp_path / "jars", Silent()), range(4)))
    assert repository.jars_asked() == {jar.filename: 1 for jar in jars}
    assert len(held(tmp_path / "jars")) == 12


def test_a_connection_that_breaks_off_is_tried_again(repository: Repository, tmp_path: Path) -> None:
    jars = (repository.add("one", b"1" * 50_000),)
    repository.break_off = 2
    complete(jars, tmp_path / "jars", Silent())
    assert held(tmp_path / "jars") == {"one-1.0.jar": b"1" * 50_000}


def test_other_content_than_pinned_is_refused_and_not_kept(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("one", b"1" * 50)
    repository.add("one", b"x" * 50)
    with pytest.raises(StackError, match=r"one-1\.0\.jar arrived with other content than pinned"):
        complete((jar,), tmp_path / "jars", Silent())
    assert held(tmp_path / "jars") == {}


def test_a_file_that_the_repository_does_not_have_is_named(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="absent"):
        complete((Jar(coordinate="org.example:absent:1.0", size=1, sha256=""),), tmp_path / "jars", Silent())


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    with pytest.raises(StackError) as caught:
        complete((Jar(coordinate="org.example:one:1.0", size=1, sha256=""),), tmp_path / "jars", Silent())
    assert "cannot be reached" in caught.value.what
    assert "HTTPS_PROXY" in caught.value.next_step
    assert "RAPPORT_KAFKA" in caught.value.next_step


def test_a_full_disk_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"has \d+ MB left; the local stack needs \d+ MB"):
        require_space(tmp_path / "not" / "there", 10**18)


def test_progress_speaks_in_plain_lines_where_there_is_no_terminal(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys  # noqa: PLC0415 - the stream that pytest has put in its place by now

    complete((repository.add("one", b"1" * 2_000_000),), tmp_path / "jars", Plain(sys.stdout))
    lines = capsys.readouterr().out.splitlines()
    assert "1 jars, 2 MB" in lines[0]
    assert lines[-1] == "  2 of 2 MB"
    assert len(lines) == 5


def test_the_pinned_list_holds_one_version_of_each_artifact() -> None:
    jars = pinned()
    artifacts = [jar.coordinate.rsplit(":", 1)[0] for jar in jars]
    assert len(set(artifacts)) == len(artifacts)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    clients = next(jar for jar in jars if ":kafka-clients:" in jar.coordinate)
    assert clients.coordinate.endswith(":4.1.2"), "the trap of resolving Kafka together with its log binding"
