"""The public keys that tokens are checked with: a key set (RFC 7517) from an address or a file, kept for a while,
renewed when keys change.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from .logs import log
from .problems import Problem

# Only algorithms with two different keys: with a shared secret (HS*), whoever can check a token could also write one.
ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_LARGEST: Final = 262_144
_TIMEOUT: Final = 5.0
# Keys of an issuer that is away serve for so many renewals; after that a withdrawn key might still be believed.
_STALE_ROUNDS: Final = 12
_PAUSE_REMOTE: Final = 10.0
_PAUSE_FILE: Final = 0.2
_LOG = log("rapport.keys")


class Keys:
    """The issuer's keys by id.

    `source` is an https address (http on this machine only) or a file; `seconds` is how long fetched keys serve.

    A token with an unknown key id has the keys fetched again, at most every 10 s (a file: 0.2 s), so that a rotation
    is noticed at once and made-up ids are no burden on the issuer. `now` gives seconds of a clock that never goes
    back. Raises ValueError when `source` is a plain http address.
    """

    def __init__(self, source: str, *, seconds: float = 300.0, now: Callable[[], float] = time.monotonic) -> None:
        address = urlsplit(source)
        local = address.hostname in ("localhost", "127.0.0.1", "::1")
        if address.scheme == "http" and not local:
            raise ValueError(
                f"RAPPORT_AUTH_JWKS={source}: keys may only be fetched over https, or anyone could give us his own"
            )
        self._source = source
        self._remote = address.scheme in ("http", "https")
        self._seconds = seconds
        self._pause = min(_PAUSE_REMOTE if self._remote else _PAUSE_FILE, seconds)
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id, or None where the issuer knows none. Raises Problem 503 when no keys can be had."""
        if key_id not in self._keys or self._now() - self._fetched > self._seconds:
            async with self._lock:
                await self._renew(key_id)
        if self._now() - self._fetched > self._seconds * _STALE_ROUNDS:
            raise Problem(
                503,
                "keys_unavailable",
                "Your token cannot be checked because its issuer's keys cannot be read; try again shortly.",
                headers={"Retry-After": "10"},
            )
        return self._keys.get(key_id)

    async def _renew(self, key_id: str) -> None:
        now = self._now()
        fresh = now - self._fetched <= self._seconds
        if (fresh and key_id in self._keys) or now - self._tried < self._pause:
            return
        self._tried = now
        try:
            text = await (self._fetch() if self._remote else asyncio.to_thread(self._read))
            self._keys = usable(json.loads(text))
            self._fetched = now
        except (OSError, httpx.HTTPError, ValueError) as failure:
            # Known keys go on serving for a while; a first failure shows as 503 to the caller.
            _LOG.warning(
                "auth.keys_unreadable", source=self._source, error=type(failure).__name__, known=len(self._keys)
            )

    async def _fetch(self) -> str:
        async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
            answer = await client.get(self._source, headers={"Accept": "application/json"})
        answer.raise_for_status()
        if len(answer.content) > _LARGEST:
            raise ValueError(f"key set of {len(answer.content)} bytes")
        return answer.text

    def _read(self) -> str:
        return Path(self._source).read_text(encoding="utf-8")


def usable(key_set: Any) -> dict[str, jwt.PyJWK]:
    """The keys of a key set that may check tokens: public ones with an id, for signatures.

    Raises ValueError when it is no key set.
    """
    if not isinstance(key_set, dict) or not isinstance(key_set.get("keys"), list):
        raise ValueError("no key set")  # noqa: TRY004 - it is what was sent that is wrong, like malformed JSON
    found: dict[str, jwt.PyJWK] = {}
    for entry in key_set["keys"]:
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue  # of a kind this library does not know: other keys of the set still serve
        if key.key_id and key.algorithm_name in ALGORITHMS:
            found[key.key_id] = key
    return found
