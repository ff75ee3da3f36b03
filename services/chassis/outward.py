"""The one way out to an address that a person or another system has given.

Such an address may be meant to reach what only this machine can: its own ports, the company's network, the cloud's
metadata. So the name is resolved once, every address behind it must be a public one (or lie in a network that the
settings name), and the connection goes to exactly the address that was looked at: a name that answers otherwise the
second time (DNS rebinding) is never asked a second time. Redirects are not followed, proxies of the environment not
used, and nothing comes back but the status and when to try again.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

BODY_BYTES: Final = 16_384  # read of an answer and thrown away, so that its sender can finish
BODY_SECONDS: Final = 1.0
ADDRESSES_TRIED: Final = 4
URL_LENGTH: Final = 2000

# IANA's registries of special-purpose addresses, written out: what Python calls global differs between its versions.
_CLOSED_4: Final = tuple(
    IPv4Network(net)
    for net in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_PUBLIC_6: Final = IPv6Network("2000::/3")
# 2001::/23 holds Teredo, 2002::/16 is 6to4: both carry an IPv4 address that nobody looked at.
_CLOSED_6: Final = tuple(IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Clouds answer with credentials here; some lie among public addresses, and no network of the settings opens them.
METADATA: Final = frozenset(
    ip_address(one)
    for one in (
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd20:ce::254"),
    )
)
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
_ODD = re.compile(r"[\x00-\x20\x7f\\]")


class AddressRefused(Exception):  # noqa: N818 - a decision, not an error
    """The address may not be called; the text says why, without the parts of it that may be secret."""


class NoAnswer(Exception):  # noqa: N818 - what a network does
    """No answer came. `sent`: the request may have arrived all the same."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be called. `networks` are open although they are not public; `http`: without TLS too, for development.

    `timeout_s` holds for one call from the name's lookup to the status. `ca_file`: certificates to trust, the usual
    ones if absent.
    """

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({443})
    http: bool = False
    timeout_s: float = 10.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """All that is told of an answer: its status, and in how many seconds its sender asks to be called again."""

    status: int
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be looked up: its URL, its host (ASCII, no dot at the end, no brackets) and port."""

    url: httpx.URL
    host: str
    port: int


async def resolve(host: str, port: int) -> Sequence[str]:
    """The machine's own lookup. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(place[0]) for *_, place in found]


class Outward:
    """Calls addresses under rules. One object a process and set of rules."""

    def __init__(self, rules: Rules, resolver: Resolver = resolve) -> None:
        self.rules, self._resolve = rules, resolver
        self._opened: httpx.AsyncHTTPTransport | None = None

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Hand `content` over to `url`.

        Raises:
            AddressRefused: by the rules the address may not be called.
            NoAnswer: the network or the receiver gave none in time.
        """
        target = check_url(url, self.rules)
        sent = False

        async def trace(what: str, _: Any) -> None:
            nonlocal sent
            sent = sent or what.endswith("send_request_headers.started")

        try:
            async with asyncio.timeout(self.rules.timeout_s):
                places = await self._places(target)
                for left, place in zip(range(len(places))[::-1], places, strict=True):
                    # Of several addresses one may be dead, and must leave the others their time.
                    waits = {"connect": self.rules.timeout_s / (len(places) + 1), "pool": self.rules.timeout_s}
                    try:
                        return await self._call(
                            _request(target, place, content, headers, {"timeout": waits, "trace": trace})
                        )
                    except (httpx.ConnectError, httpx.ConnectTimeout):
                        if not left:
                            raise
        except TimeoutError as late:
            raise NoAnswer(f"no answer within {self.rules.timeout_s:g} s", sent=sent) from late
        except (httpx.TransportError, OSError, UnicodeError) as failure:
            raise NoAnswer(f"{type(failure).__name__}: {failure}", sent=sent) from failure
        raise NoAnswer("the name has no address", sent=False)

    async def close(self) -> None:
        """Let go of what is open."""
        if self._opened is not None:
            await self._opened.aclose()

    @property
    def _transport(self) -> httpx.AsyncHTTPTransport:
        # Only when something is called: reading the machine's certificates takes longer than most calls.
        if self._opened is None:
            # No connection serves twice: they are told apart by the address alone, and the certificate of one name
            # behind it would be good for all.
            self._opened = httpx.AsyncHTTPTransport(
                verify=ssl.create_default_context(cafile=self.rules.ca_file),
                trust_env=False,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._opened

    async def _places(self, target: Target) -> list[Address]:
        literal = _literal(target.host)
        found = [literal] if literal else [ip_address(one) for one in await self._resolve(target.host, target.port)]
        for place in found:
            if not permitted(place, self.rules.networks):
                raise AddressRefused("the host is not in the public network, nor in one that the settings open")
        return list(dict.fromkeys(found))[:ADDRESSES_TRIED]

    async def _call(self, request: httpx.Request) -> Answer:
        response = await self._transport.handle_async_request(request)
        try:
            await _drain(response)
            return Answer(response.status_code, _seconds(response.headers.get("retry-after", "")))
        finally:
            await response.aclose()


def check_url(url: str, rules: Rules) -> Target:
    """The address taken apart, as far as it can be judged without a lookup.

    Raises:
        AddressRefused: it is none, or is written in a way that hides where it leads.
    """
    if len(url) > URL_LENGTH or _ODD.search(url):
        raise AddressRefused("this is no address: it is too long, or holds blanks or backslashes")
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii").lower().removesuffix(".")
    except (httpx.InvalidURL, UnicodeError) as wrong:
        raise AddressRefused("this is no address that can be read") from wrong
    if parsed.scheme != "https" and not (rules.http and parsed.scheme == "http"):
        raise AddressRefused("the address must begin with https://")
    if "@" in re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]:
        raise AddressRefused("the address must not hold a user or password")
    if _literal(host) is None and not (_NAME.fullmatch(host) and not _NUMBER.match(host.rpartition(".")[2])):
        raise AddressRefused("the host must be a name, or an IP address in its usual form")
    port = parsed.port if parsed.port is not None else 443 if parsed.scheme == "https" else 80
    if port not in rules.ports:
        raise AddressRefused(f"port {port} may not be called; the settings open {_listed(rules.ports)}")
    return Target(parsed, host, port)


def permitted(place: Address, networks: Sequence[Network] = ()) -> bool:
    """Whether an IP address may be called: a public one, or one in the networks given, and never one of METADATA."""
    if isinstance(place, IPv6Address):
        inner = place.ipv4_mapped or (IPv4Address(int(place) & 0xFFFF_FFFF) if place in _NAT64 else None)
        if inner is not None:
            return permitted(inner, networks)
    if place in METADATA:
        return False
    if any(place in network for network in networks):
        return True
    closed: Sequence[Network] = _CLOSED_4 if isinstance(place, IPv4Address) else _CLOSED_6
    return (isinstance(place, IPv4Address) or place in _PUBLIC_6) and not any(place in network for network in closed)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks from a list separated by commas. Raises ValueError."""
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


def parse_ports(text: str) -> frozenset[int]:
    """Ports from a list separated by commas. Raises ValueError."""
    ports = frozenset(int(one) for one in text.split(",") if one.strip())
    if not ports or not all(0 < port < 65536 for port in ports):
        raise ValueError("ports are numbers from 1 to 65535, separated by commas")
    return ports


def _literal(host: str) -> Address | None:
    # Python reads no shortened, octal or hexadecimal form; an address with a zone is not one of a receiver.
    try:
        return ip_address(host) if "%" not in host else None
    except ValueError:
        return None


def _request(
    target: Target, place: Address, content: bytes, headers: Mapping[str, str], extensions: Mapping[str, Any]
) -> httpx.Request:
    """The request to the address itself; the name goes into the header and the TLS handshake, where it is checked."""
    return httpx.Request(
        "POST",
        target.url.copy_with(host=str(place), fragment=None),
        headers={
            "Host": target.url.netloc.decode("ascii"),
            "Connection": "close",
            "Accept-Encoding": "identity",
            **headers,
        },
        content=content,
        extensions={"sni_hostname": target.host, **extensions},
    )


async def _drain(response: httpx.Response) -> None:
    """Take some of the body, so that an honest sender is not cut off; the status is the answer, whatever follows."""
    taken = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in response.aiter_raw():
                taken += len(part)
                if taken > BODY_BYTES:
                    return
    except (TimeoutError, httpx.TransportError):
        return


def _seconds(value: str) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in seconds from now; None where it is absent or cannot be read."""
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _listed(ports: frozenset[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports))
