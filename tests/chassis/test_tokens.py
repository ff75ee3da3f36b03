"""The local issuer and the command `rapport token`."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from services.chassis.auth import Caller, Role, Verifier
from services.chassis.commands import app
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer, NotLocalError


def key_ids(home: Path) -> list[str]:
    return [key["kid"] for key in json.loads((home / "auth" / "jwks.json").read_text())["keys"]]


def test_only_the_owner_can_read_the_key_and_the_key_set_holds_no_secret(tmp_path: Path) -> None:
    LocalIssuer(Settings(home=tmp_path)).ensure()
    assert stat.S_IMODE((tmp_path / "auth" / "key.pem").stat().st_mode) == 0o600
    (entry,) = json.loads((tmp_path / "auth" / "jwks.json").read_text())["keys"]
    assert set(entry) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_processes_that_start_together_end_with_one_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: LocalIssuer(settings).ensure(), range(16)))
    token = LocalIssuer(settings).issue("wang", [Role.AGENT])
    assert key_ids(tmp_path) == [jwt.get_unverified_header(token)["kid"]]
    assert sorted(path.name for path in (tmp_path / "auth").iterdir()) == ["jwks.json", "key.pem"]


async def test_tokens_of_before_a_rotation_stay_good(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, auth_jwks_seconds=1)
    issuer = LocalIssuer(settings)
    before = issuer.issue("wang", [Role.AGENT])
    verifier = Verifier(settings)
    assert await verifier.caller(f"Bearer {before}")
    issuer.rotate()
    after = issuer.issue("wang", [Role.AGENT])
    fresh = Verifier(settings)
    assert await fresh.caller(f"Bearer {before}")
    assert await fresh.caller(f"Bearer {after}")
    assert len(key_ids(tmp_path)) == 2


@pytest.mark.parametrize("seconds", [0, -1, 40 * 86_400])
def test_a_token_without_an_end_in_sight_is_refused(tmp_path: Path, seconds: int) -> None:
    with pytest.raises(ValueError, match="a token lives between"):
        LocalIssuer(Settings(home=tmp_path)).issue("wang", [Role.AGENT], seconds=seconds)


def test_where_another_issuer_is_configured_there_is_no_local_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, auth_issuer="https://sign-in.example", auth_jwks="https://sign-in.example/keys")
    with pytest.raises(NotLocalError, match="sign in at that issuer, or unset RAPPORT_AUTH_ISSUER"):
        LocalIssuer(settings)
    assert not (tmp_path / "auth").exists()


async def test_the_command_prints_a_token_that_the_services_accept(tmp_path: Path) -> None:
    command = ["token", "--as", "wang", "--role", "manager", "--role", "quality", "--hours", "1"]
    result = CliRunner().invoke(app, command, env={"RAPPORT_HOME": str(tmp_path)})
    assert result.exit_code == 0, result.output
    caller = await Verifier(Settings(home=tmp_path)).caller(f"Bearer {result.output.strip()}")
    assert caller == Caller("wang", frozenset({Role.MANAGER, Role.QUALITY}))


def test_the_command_says_why_it_makes_no_token(tmp_path: Path) -> None:
    env = {
        "RAPPORT_HOME": str(tmp_path),
        "RAPPORT_AUTH_ISSUER": "https://sign-in.example",
        "RAPPORT_AUTH_JWKS": "https://sign-in.example/keys",
    }
    result = CliRunner().invoke(app, ["token", "--as", "wang", "--role", "manager"], env=env)
    assert result.exit_code == 2
    assert "sign in at that issuer" in result.output
    assert CliRunner().invoke(app, ["token", "--as", "wang", "--role", "king"]).exit_code == 2
