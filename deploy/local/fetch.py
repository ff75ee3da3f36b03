"""Kafka's jars: fetched once by jgo into the shared cache, each checked against its pinned SHA-256."""

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError
from deploy.local.jars import KAFKA_VERSION, Jar, digest_of, pinned
from deploy.local.lock import locked
from deploy.local.paths import cache_folder
from deploy.local.report import Report

_TRIES = 3
_PARALLEL = 4
_WAIT_S = 600.0


def kafka_jars(report: Report) -> Path:
    """The folder with every jar of Kafka, complete; fetches what is missing.

    Raises StackError when there is no network, the disk is full, or what arrives is not what was pinned.
    """
    jars = pinned()
    folder = cache_folder() / f"kafka-{KAFKA_VERSION}-{digest_of(jars)}"
    complete(jars, folder, report)
    return folder


def complete(jars: tuple[Jar, ...], folder: Path, report: Report) -> None:
    """Fetch into `folder` those of `jars` that it lacks or holds in part. Raises StackError as kafka_jars does."""
    if not _missing(jars, folder):
        return
    busy = "Another checkout is fetching Kafka; waiting for it."
    with locked(folder.with_suffix(".lock"), wait_s=_WAIT_S, waiting=lambda: report.say(busy)):
        # Asked again, because that other one may have fetched everything while we waited.
        if missing := _missing(jars, folder):
            _fetch(missing, folder, report)


def require_space(folder: Path, needed: int) -> None:
    """Raises StackError when the disk of `folder` has fewer than `needed` bytes left."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StackError(
            f"The disk of {folder} has {free / 1e6:.0f} MB left; the local stack needs {needed / 1e6:.0f} MB.",
            "Make room there, or set RAPPORT_HOME (data) or XDG_CACHE_HOME (downloads) to another disk.",
        )


def _missing(jars: tuple[Jar, ...], folder: Path) -> list[Jar]:
    return [jar for jar in jars if not _has_size(folder / jar.filename, jar.size)]


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _fetch(jars: list[Jar], folder: Path, report: Report) -> None:
    total = sum(jar.size for jar in jars)
    require_space(folder, 3 * total)
    folder.mkdir(parents=True, exist_ok=True)
    report.say(f"Fetching Kafka {KAFKA_VERSION}, once for all checkouts: {len(jars)} jars, {total / 1e6:.0f} MB")
    with (
        _explained(),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch,
        report.fetching(total) as arrived,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        counter = _Counter(total, arrived)
        try:
            futures = [pool.submit(_fetch_one, jar, Path(scratch), folder, counter) for jar in jars]
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            # Also after a Ctrl-C: the threads end at the next bytes they receive.
            counter.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Counter:
    """Adds up what the threads receive; once `stopped`, the next bytes of any of them end its download."""

    def __init__(self, total: int, arrived: Callable[[int], None]) -> None:
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._done = 0
        self._total = total
        self._arrived = arrived

    def add(self, size: int) -> None:
        if self.stopped.is_set():
            raise InterruptedError("the download was stopped")
        with self._lock:
            self._done += size
            # A file that is tried again counts twice.
            self._arrived(min(self._done, self._total))

    @contextmanager
    def watch(self, _filename: str, _size: int) -> Iterator[Any]:
        yield self.add


def _fetch_one(jar: Jar, scratch: Path, folder: Path, counter: _Counter) -> None:
    import requests  # noqa: PLC0415 - comes with jgo, see _repositories

    for attempt in range(1, _TRIES + 1):
        try:
            path = _download(jar, scratch / f"{jar.filename}.{attempt}", counter)
            break
        except requests.RequestException as error:
            if attempt == _TRIES or isinstance(error, requests.exceptions.SSLError):
                raise
    if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
        raise StackError(
            f"{jar.filename} arrived with other content than pinned in jars.lock.",
            "Try again; if it stays so, a proxy or mirror on the way changes files: ask who runs it.",
        )
    path.replace(folder / jar.filename)


def _download(jar: Jar, repository: Path, counter: _Counter) -> Path:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - an optional extra

    resolver = PythonResolver(progress_callback=counter.watch)
    context = MavenContext(resolver=resolver, repo_cache=repository, remote_repos=_repositories(), timeout=30)
    group, artifact, version = jar.coordinate.split(":")
    path: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    return path


def _repositories() -> dict[str, str]:
    """The mirrors in the user's jgo settings, then Maven Central; any will do, because the hashes are pinned."""
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - an optional extra
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    except ImportError as error:
        raise StackError(
            "Kafka cannot be fetched: the Python package jgo is not installed.",
            "Install the local stack with `pip install '.[stack]'`, or set RAPPORT_KAFKA to a broker's host:port.",
        ) from error
    # requests reads only its own variable; machines that state their certificates often set just the general one.
    if certificates := os.environ.get("SSL_CERT_FILE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", certificates)
    mirrors = GlobalSettings.load().repositories
    return {**mirrors, "central": mirrors.get("central", MAVEN_CENTRAL_URL)}


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what a download can raise into what the user can do about it."""
    _repositories()
    import requests  # noqa: PLC0415 - comes with jgo

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise StackError(
            f"The certificate of Maven Central was not accepted: {error}",
            "Behind a proxy with a certificate of its own, set REQUESTS_CA_BUNDLE to the file with that certificate.",
        ) from error
    except requests.RequestException as error:
        raise StackError(
            f"Maven Central cannot be reached: {error}",
            "Connect to the network once (HTTPS_PROXY names a proxy); afterwards the stack starts without it. "
            "Or set RAPPORT_KAFKA to a broker's host:port.",
        ) from error
    except OSError as error:
        raise StackError(f"Kafka's jars cannot be stored: {error}", f"Make room in {cache_folder()}.") from error
    except RuntimeError as error:
        raise StackError(f"Maven Central refused a file: {error}", "Try again in a few minutes.") from error
