"""Who gets in: real tokens, good and bad, checked against real key sets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.chassis.auth import Caller, Role, Verifier, roles_in
from services.chassis.keys import Keys, usable
from services.chassis.problems import Problem
from services.chassis.settings import LOCAL_ISSUER, Settings
from services.chassis.tokens import LocalIssuer, public_key
from tests.waiting import until


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def issuer(settings: Settings) -> LocalIssuer:
    made = LocalIssuer(settings)
    made.ensure()
    return made


CLAIMS: dict[str, Any] = {
    "iss": LOCAL_ISSUER,
    "aud": "rapport",
    "sub": "wang",
    "roles": ["manager"],
    "exp": 4_000_000_000,
}


def signed(settings: Settings, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token by the local issuer's own key; a claim given as None is left out."""
    key = LocalIssuer(settings)._key()
    kept = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(kept, key, "ES256", headers={"kid": public_key(key)["kid"]} | (header or {}))


async def refusal(verifier: Verifier, authorization: str | None) -> Problem:
    with pytest.raises(Problem) as refused:
        await verifier.caller(authorization)
    return refused.value


async def test_a_token_of_the_issuer_names_the_caller_and_his_roles(settings: Settings, issuer: LocalIssuer) -> None:
    token = issuer.issue("wang", [Role.MANAGER, Role.QUALITY])
    for scheme in ("Bearer", "bearer", "BEARER"):
        caller = await Verifier(settings).caller(f"{scheme} {token}")
        assert caller == Caller("wang", frozenset({Role.MANAGER, Role.QUALITY}))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic dTpw", "token"])
async def test_no_token_is_401_without_an_error_name(settings: Settings, header: str | None) -> None:
    problem = await refusal(Verifier(settings), header)
    assert (problem.status_code, problem.code) == (401, "token_missing")
    assert problem.headers == {"WWW-Authenticate": 'Bearer realm="rapport"'}


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": 1_000_000_000}, "run out"),
        ({"exp": None}, "damaged or incomplete"),
        ({"sub": None}, "damaged or incomplete"),
        ({"sub": ""}, "does not say whose"),
        ({"aud": None}, "damaged or incomplete"),
        ({"aud": "another"}, "for another system"),
        ({"iss": "https://evil.example"}, "issued by someone else"),
        ({"iss": None}, "damaged or incomplete"),
        ({"nbf": 3_900_000_000}, "damaged or incomplete"),
    ],
)
async def test_a_token_with_bad_claims_is_refused(
    settings: Settings, issuer: LocalIssuer, claims: dict[str, Any], said: str
) -> None:
    problem = await refusal(Verifier(settings), f"Bearer {signed(settings, **claims)}")
    assert problem.status_code == 401
    assert said in problem.detail
    assert 'error="invalid_token"' in (problem.headers or {})["WWW-Authenticate"]


async def test_clocks_may_differ_by_the_leeway_and_no_more(settings: Settings, issuer: LocalIssuer) -> None:
    verifier = Verifier(settings)
    assert await verifier.caller(f"Bearer {signed(settings, exp=int(time.time()) - 20)}")
    await refusal(verifier, f"Bearer {signed(settings, exp=int(time.time()) - 40)}")


async def test_a_token_that_was_good_once_is_refused_after_its_end_and_when_its_key_is_withdrawn(
    tmp_path: Path, settings: Settings, issuer: LocalIssuer
) -> None:
    strict = Settings(home=tmp_path, auth_leeway_seconds=0)
    verifier = Verifier(strict, Keys(strict.jwks, seconds=0.05))

    async def is_refused(token: str) -> bool:
        try:
            assert (await verifier.caller(f"Bearer {token}")).subject == "wang"
        except Problem as refused:
            assert refused.code == "invalid_token"
            return True
        return False

    short, long = issuer.issue("wang", [Role.AGENT], seconds=2), issuer.issue("wang", [Role.AGENT])
    assert not await is_refused(short) and not await is_refused(short)
    await until(lambda: is_refused(short), "its end")
    assert not await is_refused(long) and not await is_refused(long)
    issuer.rotate()
    issuer.rotate()
    await until(lambda: is_refused(long), "the withdrawn key to be noticed")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_an_unsigned_token_is_refused(settings: Settings, issuer: LocalIssuer) -> None:
    kid = public_key(issuer._key())["kid"]
    for algorithm in ("none", "None", "NONE"):
        token = f"{_part({'alg': algorithm, 'kid': kid})}.{_part(CLAIMS)}."
        assert (await refusal(Verifier(settings), f"Bearer {token}")).code == "invalid_token"


async def test_a_token_signed_with_the_public_key_as_shared_secret_is_refused(
    settings: Settings, issuer: LocalIssuer
) -> None:
    entry = public_key(issuer._key())
    head = f"{_part({'alg': 'HS256', 'kid': entry['kid']})}.{_part(CLAIMS)}"
    for secret in (json.dumps(entry).encode(), (settings.home / "auth" / "jwks.json").read_bytes()):
        mac = base64.urlsafe_b64encode(hmac.new(secret, head.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
        assert (await refusal(Verifier(settings), f"Bearer {head}.{mac}")).code == "invalid_token"


async def test_a_key_that_the_token_brings_along_is_not_believed(settings: Settings, issuer: LocalIssuer) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    known = public_key(issuer._key())["kid"]
    for header in ({"kid": known, "jwk": public_key(own)}, {"kid": known}, {"kid": public_key(own)["kid"]}, {}):
        token = jwt.encode(CLAIMS, own, "ES256", headers=header)
        assert (await refusal(Verifier(settings), f"Bearer {token}")).status_code == 401


@pytest.mark.parametrize("change", [0, 1, 2])
async def test_a_token_changed_in_any_part_is_refused(settings: Settings, issuer: LocalIssuer, change: int) -> None:
    parts = issuer.issue("wang", [Role.AGENT]).split(".")
    parts[change] = _part(CLAIMS | {"roles": ["admin"]}) if change == 1 else parts[change][:-3] + "AAA"
    assert (await refusal(Verifier(settings), f"Bearer {'.'.join(parts)}")).status_code == 401


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c", "a.b.c.d", "…", "x" * 9000, "." * 8000])
async def test_what_is_no_token_is_refused(settings: Settings, issuer: LocalIssuer, token: str) -> None:
    assert (await refusal(Verifier(settings), f"Bearer {token}")).status_code == 401


async def test_without_any_keys_it_is_503_and_not_401(settings: Settings, issuer: LocalIssuer) -> None:
    token = issuer.issue("wang", [Role.AGENT])
    (settings.home / "auth" / "jwks.json").unlink()
    problem = await refusal(Verifier(settings), f"Bearer {token}")
    assert (problem.status_code, problem.code) == (503, "keys_unavailable")


@pytest.mark.parametrize(
    ("claims", "path", "roles"),
    [
        ({"roles": ["manager", "root", 7]}, ["roles"], {Role.MANAGER}),
        ({"roles": "agent analyst"}, ["roles"], {Role.AGENT, Role.ANALYST}),
        ({"realm_access": {"roles": ["admin"]}}, ["realm_access", "roles"], {Role.ADMIN}),
        ({"realm_access": "admin"}, ["realm_access", "roles"], set()),
        ({"roles": {"admin": True}}, ["roles"], set()),
        ({}, ["roles"], set()),
    ],
)
def test_roles_are_found_where_the_settings_say(claims: dict[str, Any], path: list[str], roles: set[Role]) -> None:
    assert roles_in(claims, path) == roles


class KeyServer:
    """An issuer's address with its keys, over real HTTP."""

    def __init__(self) -> None:
        self.answer: Callable[[], tuple[int, bytes]] = lambda: (200, json.dumps({"keys": self.keys}).encode())
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                status, body = outer.answer()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def remote() -> Iterator[KeyServer]:
    made = KeyServer()
    yield made
    made.server.shutdown()
    made.server.server_close()


def rsa_key(kid: str) -> tuple[rsa.RSAPrivateKey, dict[str, Any]]:
    key = rsa.generate_private_key(65537, 2048)
    entry: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return key, entry | {"kid": kid, "use": "sig", "alg": "RS256"}


def remote_verifier(remote: KeyServer, keys: Keys | None = None) -> Verifier:
    settings = Settings(auth_issuer="https://sign-in.example", auth_jwks=remote.url)
    return Verifier(settings, keys)


def remote_token(key: Any, kid: str, algorithm: str = "RS256") -> str:
    return jwt.encode(CLAIMS | {"iss": "https://sign-in.example"}, key, algorithm, headers={"kid": kid})


async def test_keys_come_from_the_issuers_address_and_are_asked_for_once(remote: KeyServer) -> None:
    key, entry = rsa_key("k1")
    remote.keys = [{"kty": "oct", "k": "AAAA", "kid": "s"}, {"kty": "new", "kid": "n"}, entry]
    verifier = remote_verifier(remote)
    for _ in range(3):
        assert (await verifier.caller(f"Bearer {remote_token(key, 'k1')}")).subject == "wang"
    assert remote.asked == 1


async def test_a_rotation_is_noticed_at_once_and_made_up_ids_do_not_burden_the_issuer(remote: KeyServer) -> None:
    clock = [100.0]
    (old, first), (new, second) = rsa_key("k1"), rsa_key("k2")
    remote.keys = [first]
    verifier = remote_verifier(remote, Keys(remote.url, seconds=300, now=lambda: clock[0]))
    await verifier.caller(f"Bearer {remote_token(old, 'k1')}")
    remote.keys, clock[0] = [second], 111.0
    await verifier.caller(f"Bearer {remote_token(new, 'k2')}")
    await refusal(verifier, f"Bearer {remote_token(old, 'k1')}")
    for n in range(20):
        await refusal(verifier, f"Bearer {remote_token(new, f'made-up-{n}')}")
    assert remote.asked == 2


async def test_an_issuer_that_is_away_stops_nobody_for_an_hour_and_then_everybody(remote: KeyServer) -> None:
    clock = [0.0]
    key, entry = rsa_key("k1")
    remote.keys = [entry]
    verifier = remote_verifier(remote, Keys(remote.url, seconds=300, now=lambda: clock[0]))
    token = f"Bearer {remote_token(key, 'k1')}"
    await verifier.caller(token)
    remote.answer = lambda: (500, b"")
    clock[0] = 3500.0
    await verifier.caller(token)
    clock[0] = 3700.0
    assert (await refusal(verifier, token)).status_code == 503
    remote.answer = lambda: (200, json.dumps({"keys": [entry]}).encode())
    clock[0] = 3711.0
    await verifier.caller(token)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"keys": 3}', b"x" * 300_000])
async def test_what_is_no_key_set_is_503(remote: KeyServer, body: bytes) -> None:
    remote.answer = lambda: (200, body)
    key, _ = rsa_key("k1")
    assert (await refusal(remote_verifier(remote), f"Bearer {remote_token(key, 'k1')}")).status_code == 503


async def test_a_key_serves_only_its_own_algorithm(remote: KeyServer) -> None:
    key, entry = rsa_key("k1")
    remote.keys = [entry]
    problem = await refusal(remote_verifier(remote), f"Bearer {remote_token(key, 'k1', 'PS256')}")
    assert problem.code == "invalid_token"


async def test_ed25519_is_accepted(remote: KeyServer) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    entry: dict[str, Any] = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    remote.keys = [entry | {"kid": "e1"}]
    assert await remote_verifier(remote).caller(f"Bearer {remote_token(key, 'e1', 'EdDSA')}")


def test_keys_over_plain_http_from_elsewhere_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="only be fetched over https"):
        Keys("http://sign-in.example/keys")


def test_keys_for_encryption_shared_secrets_and_keys_without_id_check_nothing() -> None:
    _, entry = rsa_key("k1")
    assert list(usable({"keys": [entry, entry | {"kid": "e", "use": "enc"}, {**entry, "kid": None}, 7]})) == ["k1"]
    assert usable({"keys": [{"kty": "oct", "k": "AAAA", "kid": "s", "alg": "HS256"}]}) == {}
