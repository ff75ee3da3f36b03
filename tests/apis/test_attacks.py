"""Somebody with a token and bad intentions: whatever he forges, he is refused and no server error comes of it."""

from __future__ import annotations

import base64
import hmac
import json
import re
from typing import Any

import httpx
import jwt
import pytest

from services.chassis.auth import Role
from services.chassis.pages import fingerprint, write_cursor
from services.chassis.settings import Settings
from services.operate import SERVICES
from tests.apis.filled import ALL, Suite

pytestmark = pytest.mark.stack
NAMES = sorted(SERVICES)
SOON_S = 5.0
PAIRS: list[tuple[Any, ...]] = [("x", None), (None, "x"), (1, 2, 3, 4)]
ODD: list[tuple[Any, ...]] = [(), (None,), (1,), (True,), ("x",), (-(2**62),), ("\0",), *PAIRS]
TIMES = ('["t","9999-12-31T23:59:59"]', '["t","0001-01-01"]', '["d","2026-01-01"]', '["t",1]')
TAGS = (*TIMES, '["",[1]]', '["",{"$gt":""}]')
HALVES = b'{"a":"\\ud800","to":"\\ud800","reason":"\\ud800"}'
BODIES = (b"[" * 100_000, HALVES, b"\xff", b"{", b"9" * 5000, b"null")
TEXTS = ("%00", "..%2f..%2fetc%2fpasswd", "a" * 3000, "%F0%9F%98%80", "$where", "{}", "%ED%A0%80", "C-made-1%0d%0aX:1")


def operations(suite: Suite, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """All that can be asked: method, path, what the document says."""
    paths = suite.document(name)["paths"].items()
    return [(method.upper(), path, one) for path, found in paths for method, one in found.items()]


def moment(text: str) -> str:
    """A cursor of whatever JSON holds, for a list without filters."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_forged_cursor_is_refused_or_harmless(name: str, suite: Suite) -> None:
    faults = []
    with suite.client(name, *ALL) as client:
        for method, template, one in operations(suite, name):
            if method != "GET" or all(given["name"] != "cursor" for given in one.get("parameters", ())):
                continue
            known = (suite.known.get(template.split("/{")[0]) or ["x"])[0]
            path = template.replace("{id}", known).replace("{name}", known)
            query = fingerprint(path, [])
            cursors = [write_cursor(position, query) for position in ODD]
            cursors += [moment(f'[1,"{query}",[{tag},{more}]]') for tag in TAGS for more in TAGS]
            cursors += [moment(f'[1,"{query}",[["",{10**40}]]]'), moment(f'[1,"{query}",[["","x"],["",{2**63}]]]')]
            for cursor in cursors:
                answer = client.get(path, params={"cursor": cursor})
                if answer.status_code >= 500:
                    faults.append(f"{path}: {base64.urlsafe_b64decode(cursor + '==')!r}: {answer.status_code}")
    assert faults == []


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_odd_ids_headers_and_bodies_are_refused(name: str, suite: Suite) -> None:
    faults: list[str] = []
    with suite.client(name, *ALL) as client:

        def sent(method: str, path: str, **more: Any) -> None:
            if len(faults) > 10:
                return
            try:
                answer = client.request(method, path, timeout=SOON_S, **more)
                found = str(answer.status_code) if answer.status_code >= 500 else None
            except httpx.TransportError as failure:
                found = type(failure).__name__
            if found:
                faults.append(f"{method} {path[:80]} {str(more)[:80]}: {found}")

        for method, template, _ in operations(suite, name):
            for text in TEXTS if "{" in template else ():
                sent(method, text.join(re.split(r"{\w+}", template)))  # it may hold braces itself
            known = (suite.known.get(template.split("/{")[0]) or ["x"])[0]
            path = template.replace("{id}", known).replace("{name}", known).replace("{kind}", "invoices")
            sent(method, path, params=[("q", "\0"), ("limit", str(10**30)), ("subject", "\0"), ("customer", "\0")])
            for etag in ('"v999999999999999999"', '"v1', "*", 'W/"v1"', "\u00e9".encode("latin-1")):
                sent(method, path, headers=[(b"If-Match", etag if isinstance(etag, bytes) else etag.encode())])
            sent(method, path, headers={"Idempotency-Key": "a b", "Accept-Language": "zh;q=x,*;q=9" * 50})
            for body in BODIES if method in ("POST", "PUT", "PATCH") else ():
                sent(method, path, content=body, headers={"Content-Type": "application/json", "If-Match": '"v1"'})
    assert faults == []


def forged(suite: Suite) -> dict[str, str]:
    """Tokens that nobody has issued, made from one that was."""
    good = suite.token(Role.ANALYST)
    head, body, sign = good.split(".")
    settings = Settings(home=suite.stack.home)
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)

    def part(content: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    raised = claims | {"roles": [role.value for role in Role]}
    confused = f"{part(header | {'alg': 'HS256'})}.{part(raised)}"
    keys = open(settings.jwks, "rb").read()  # noqa: SIM115, PTH123 - what everybody may read
    signed = base64.urlsafe_b64encode(hmac.digest(keys, confused.encode(), "sha256")).rstrip(b"=").decode()
    return {
        "no signature": f"{part(header | {'alg': 'none'})}.{part(raised)}.",
        "the old signature": f"{head}.{part(raised)}.{sign}",
        "signed with the public keys": f"{confused}.{signed}",
        "a key of his own": f"{part(header | {'jwk': {'kty': 'oct', 'k': 'AAAA'}})}.{part(raised)}.{sign}",
        "a path as its key": f"{part(header | {'kid': '../../../../dev/null'})}.{body}.{sign}",
        "a source's token": "rgw_" + "0" * 12 + "_" + "x" * 43,
        "a source's name alone": "rgw_",
        "not text": "\u00ff".encode("latin-1").decode("latin-1"),
        "nothing but dots": "..",
        "too long": good + "x" * 9000,
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_forged_token_opens_nothing(name: str, suite: Suite) -> None:
    with httpx.Client(base_url=suite.running[name].url, timeout=30) as client:
        for what, token in forged(suite).items():
            headers = [(b"Authorization", b"Bearer " + token.encode("latin-1"))]
            assert client.get("/openapi.json", headers=headers).status_code == 401, what
