"""Who calls, and what he may do: bearer tokens (JWT) checked with the issuer's public keys, and one table of who may
call what.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import jwt
from fastapi import Depends, Request

from .keys import ALGORITHMS, Keys
from .problems import Problem
from .settings import Settings

_LONGEST: Final = 8192
_REMEMBERED: Final = 1000


class Role(StrEnum):
    """What a person or a system is to the suite; a token may hold several."""

    MANAGER = "manager"
    AGENT = "agent"
    ANALYST = "analyst"
    QUALITY = "quality"
    OPERATOR = "operator"
    ADMIN = "admin"
    SYSTEM = "system"


EVERYONE: Final = frozenset(Role)
Endpoint = tuple[str, str]
# Which roles may call which endpoint, by method and path template; each `api.py` declares one.
Access = Mapping[Endpoint, frozenset[Role]]


def only(*roles: Role) -> frozenset[Role]:
    """The roles of one line of an access table."""
    return frozenset(roles)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the token's `sub`, and those of its roles that the suite knows."""

    subject: str
    roles: frozenset[Role]

    def has(self, *roles: Role) -> bool:
        """Whether he has one of `roles`."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class _Good:
    """A token that was checked: with which key, and until when (seconds since 1970) it would be found good again."""

    claims: dict[str, Any]
    key: jwt.PyJWK
    until: float


class Verifier:
    """Turns an `Authorization` header into a `Caller`.

    Tokens must be signed with one of the issuer's keys, and hold issuer, audience, subject and end as the settings say.
    """

    def __init__(self, settings: Settings, keys: Keys | None = None) -> None:
        self._issuer = settings.auth_issuer
        self._audience = settings.auth_audience
        self._leeway = settings.auth_leeway_seconds
        self._claim = settings.auth_roles_claim.split(".")
        self._keys = keys or Keys(settings.jwks, seconds=settings.auth_jwks_seconds)
        # A system sends the same token for hours, and checking it costs more than most requests do.
        self._good: dict[str, _Good] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind the header.

        Raises Problem 401 for a missing or bad token, 503 when the keys cannot be had.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthorised(
                None, "Send a token in the header Authorization: Bearer …; locally, `rapport token` makes one."
            )
        claims = await self._claims(token.strip())
        return Caller(str(claims["sub"]), roles_in(claims, self._claim))

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST:
            raise unauthorised("invalid_token", "The token is longer than 8 KB; ask for one with fewer claims.")
        good = self._good.get(token)
        # A key that its issuer has withdrawn is none here either: it is asked for each time.
        if good is not None and time.time() < good.until and await self._keys.key(str(good.key.key_id)) is good.key:
            return good.claims
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as failure:
            raise unauthorised("invalid_token", "The token is not a signed JWT; sign in again.") from failure
        if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
            raise unauthorised("invalid_token", "The token is not signed in a way accepted here; sign in again.")
        key = await self._keys.key(header["kid"])
        if key is None:
            raise unauthorised(
                "invalid_token", "The token is signed with a key its issuer does not know; sign in again."
            )
        claims = self._checked(token, key)
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good[token] = _Good(claims, key, float(claims["exp"]) + self._leeway)
        return claims

    def _checked(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                # The key's own algorithm, not the header's: a token must not choose how it is checked.
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as failure:
            raise unauthorised("invalid_token", "The token has run out; sign in again.") from failure
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as failure:
            raise unauthorised(
                "invalid_token", "The token was issued by someone else or for another system; sign in here."
            ) from failure
        except jwt.PyJWTError as failure:
            raise unauthorised("invalid_token", "The token is damaged or incomplete; sign in again.") from failure
        if not claims["sub"]:
            raise unauthorised("invalid_token", "The token does not say whose it is; sign in again.")
        return claims


def roles_in(claims: Mapping[str, Any], path: Iterable[str]) -> frozenset[Role]:
    """The known roles under `path` in the claims, given as a list or as words; others are passed over, for an issuer
    serves other systems too.
    """
    value: Any = claims
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    known = {role.value for role in Role}
    return frozenset(Role(word) for word in words if isinstance(word, str) and word in known)


def unauthorised(error: str | None, detail: str) -> Problem:
    """401 with the challenge that goes with it; `error` as RFC 6750 names it, None where no token was sent."""
    # The challenge of RFC 6750, section 3: without a token it names no error.
    challenge = 'Bearer realm="rapport"' + (f', error="{error}"' if error else "")
    return Problem(401, error or "token_missing", detail, headers={"WWW-Authenticate": challenge})


def forbidden(caller: Caller, allowed: frozenset[Role]) -> Problem:
    """403: known, but not allowed."""
    names = ", ".join(sorted(allowed)) or "nobody"
    own = ", ".join(sorted(caller.roles)) or "none"
    return Problem(
        403, "role_missing", f"This needs one of the roles {names}; yours: {own}. An administrator can grant it."
    )


def current(request: Request) -> Caller:
    """The caller of this request, as the front door has found him."""
    caller: Caller = request.state.caller
    return caller


# As a parameter of a handler: `caller: CurrentCaller`.
CurrentCaller = Annotated[Caller, Depends(current)]
