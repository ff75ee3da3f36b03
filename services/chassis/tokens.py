"""The issuer of tokens for development: a key pair under the stack's home, its public half where the services look
for keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .auth import Role
from .settings import LOCAL_ISSUER, Settings

_ALGORITHM: Final = "ES256"
_LONGEST_SECONDS: Final = 31 * 86_400


class NotLocalError(Exception):
    """Tokens were asked for where a real issuer is configured; they would be worth nothing there."""


class LocalIssuer:
    """Signs tokens with the key in `<home>/auth`. Only for development: who can read that folder can be anyone.

    Raises NotLocalError when the settings name another issuer.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        if settings.auth_issuer != LOCAL_ISSUER:
            raise NotLocalError(
                f"RAPPORT_AUTH_ISSUER is {settings.auth_issuer}: tokens come from there. `rapport token` serves only "
                "the local issuer; sign in at that issuer, or unset RAPPORT_AUTH_ISSUER."
            )
        self._folder = settings.home / "auth"
        self._audience = settings.auth_audience
        self._now = now

    def ensure(self) -> None:
        """Makes the key pair where there is none.

        Safe beside other processes doing the same: the first one's key stays.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = self._folder / "key.pem"
        if not private.exists():
            made = self._folder / f"key.{secrets.token_hex(6)}.tmp"
            _write(made, _new_key(), 0o600)
            try:
                os.link(made, private)
            except FileExistsError:
                pass  # another process was quicker: its key holds
            finally:
                made.unlink()
        if not (self._folder / "jwks.json").exists():
            self._publish([public_key(self._key())])

    def rotate(self) -> None:
        """A new key for tokens from now on; tokens of the one before stay good until they run out."""
        self.ensure()
        before = public_key(self._key())
        _replace(self._folder / "key.pem", _new_key(), 0o600)
        self._publish([public_key(self._key()), before])

    def issue(self, person: str, roles: Iterable[Role], *, seconds: int = 8 * 3600) -> str:
        """A token for `person` that runs out after `seconds`.

        Raises ValueError when that is no time, or more than 31 days.
        """
        if not 0 < seconds <= _LONGEST_SECONDS:
            raise ValueError(f"a token lives between 1 and {_LONGEST_SECONDS} seconds, not {seconds}")
        self.ensure()
        key = self._key()
        now = int(self._now())
        claims = {
            "iss": LOCAL_ISSUER,
            "aud": self._audience,
            "sub": person,
            "roles": sorted(roles),
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, key, _ALGORITHM, headers={"kid": public_key(key)["kid"]})

    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = load_pem_private_key((self._folder / "key.pem").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(
                f"{self._folder / 'key.pem'} is not a key this issuer made; remove {self._folder} and try again"
            )
        return key

    def _publish(self, keys: list[dict[str, Any]]) -> None:
        _replace(self._folder / "jwks.json", json.dumps({"keys": keys}, indent=1).encode(), 0o644)


def public_key(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The public half as a JSON Web Key; its id is the key's thumbprint (RFC 7638)."""
    entry: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    needed = {name: entry[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(needed, sort_keys=True, separators=(",", ":")).encode()).digest()
    thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return needed | {"kid": thumbprint, "use": "sig", "alg": _ALGORITHM}


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    # Created with its mode: a key must not be readable by others even for a moment.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def _replace(path: Path, content: bytes, mode: int) -> None:
    made = path.with_name(f"{path.name}.{secrets.token_hex(6)}.tmp")
    _write(made, content, mode)
    made.replace(path)
