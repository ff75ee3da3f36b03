"""What commands ask of a running service: at its address with a token, or by itself of the local stack's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import typer

from deploy.local import stack
from deploy.local.commands import explained
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer, NotLocalError

PIECE: Final = 256_000
TIMEOUT: Final = 300.0  # seconds; a long file is looked at as a whole before it is answered for


class Door:
    """A service, asked as an operator."""

    def __init__(self, service: str, url: str = "", token: str = "") -> None:
        self._name = service
        self._at = urlsplit(url or _local_url(service))
        self._token = token or _local_token()
        if self._at.scheme not in ("http", "https") or not self._at.hostname:
            fail(f"--url is {url!r}; expected the address of {service} such as http://127.0.0.1:8080.")

    def send(self, path: str, headers: Mapping[str, str], pieces: Iterator[bytes]) -> dict[str, Any]:
        """Send content; returns the answer's JSON."""
        with self._asked("POST", path, headers, pieces) as answer:
            return self._document(answer)

    def get(self, path: str) -> dict[str, Any]:
        """What is there, as JSON."""
        with self._asked("GET", path) as answer:
            return self._document(answer)

    def keep(self, path: str, target: Path) -> None:
        """What is there, as a file."""
        with self._asked("GET", path) as answer, target.open("wb") as file:
            while piece := answer.read(PIECE):
                file.write(piece)

    @contextmanager
    def _asked(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Iterator[bytes] | None = None
    ) -> Iterator[HTTPResponse]:
        kind = HTTPSConnection if self._at.scheme == "https" else HTTPConnection
        connection = kind(str(self._at.hostname), self._at.port, timeout=TIMEOUT)
        try:
            own = {"Authorization": f"Bearer {self._token}"}
            connection.request(method, self._at.path.rstrip("/") + path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            if answer.status >= 400:
                problem = self._document(answer)
                fail(f"{problem.get('detail') or problem} ({answer.status} {problem.get('code', '')})")
            yield answer
        except (OSError, HTTPException) as error:
            fail(f"The service {self._name} at {self._at.geturl()} does not answer ({error}); is it running?")
        finally:
            connection.close()

    def _document(self, answer: HTTPResponse) -> dict[str, Any]:
        text = answer.read()
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            fail(f"This is no {self._name}: it answered {answer.status} with {text[:80]!r}.")
        return found


def _local_url(service: str) -> str:
    with explained():
        found = stack.status().services.get(service)
    if found is None:
        fail(f"No {service} runs here. Start one with `rapport run {service}`, or name yours with --url.")
    return found


def _local_token() -> str:
    try:
        return LocalIssuer(Settings()).issue("rapport-command", [Role.OPERATOR])
    except NotLocalError as refusal:
        fail(f"{refusal} (--token takes one)")


def fail(message: str) -> NoReturn:
    """End the command: what is wrong, and what to do."""
    typer.echo(message, err=True)
    raise typer.Exit(2)
