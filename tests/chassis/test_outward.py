"""What is called outside, what is not, and what comes back of it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.outward import (
    METADATA,
    AddressRefused,
    Answer,
    NoAnswer,
    Outward,
    Rules,
    check_url,
    parse_networks,
    parse_ports,
    permitted,
)
from tests.chassis.receiver import OK, Receiver, certificate, receiving, status

HOME = parse_networks("127.0.0.0/8")
PUBLIC = "93.184.215.14"
STRICT = Rules()


def rules(receiver: Receiver, **changes: object) -> Rules:
    """Rules under which a receiver on this machine may be called without TLS."""
    return replace(Rules(networks=HOME, ports=frozenset({receiver.port}), http=True, timeout_s=5), **changes)  # type: ignore[arg-type]


@dataclass
class Names:
    """A resolver whose answers a test scripts: the next each time, the last one for ever."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def post(url: str, by: Rules, names: Names | None = None) -> Answer:
    outward = Outward(by, names or Names([["127.0.0.1"]]))
    try:
        return await outward.post(url, b"{}", {"Content-Type": "application/json"})
    finally:
        await outward.close()


# Where it leads.


@pytest.mark.parametrize(
    "place",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),  # noqa: S104
        *("169.254.169.254", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.192", "224.0.0.1"),
        *("239.255.255.255", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.88.99.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::7f00:1"),
        *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "64:ff9b::a9fe:a9fe"),
        *("2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "3fff::1", "5f00::1"),
    ],
)
async def test_an_address_that_is_not_public_is_never_called(place: str) -> None:
    names = Names([[place]])
    with pytest.raises(AddressRefused, match="not in the public network"):
        await post("https://receiver.example/hook", STRICT, names)
    assert names.asked == ["receiver.example"]
    literal = f"[{place}]" if ":" in place else place
    with pytest.raises(AddressRefused):
        await post(f"https://{literal}/hook", STRICT, names)


@pytest.mark.parametrize("place", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_may_be_called(place: str) -> None:
    assert permitted(ip_address(place))


@given(st.ip_addresses())
def test_what_python_calls_closed_is_closed(place: IPv4Address | IPv6Address) -> None:
    open_to_us = permitted(place)
    inner = place.ipv4_mapped if isinstance(place, IPv6Address) else None
    if inner is None and (place.is_private or place.is_loopback or place.is_link_local or place.is_multicast):
        assert not open_to_us
    if inner is not None:
        assert open_to_us == permitted(inner)


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_however_it_is_wrapped(place: IPv4Address) -> None:
    wrapped = [IPv6Address(f"::ffff:{place}"), IPv6Address(f"64:ff9b::{place}")]
    assert {permitted(one) for one in wrapped} == {permitted(place)}


def test_a_network_of_the_company_is_open_when_the_settings_name_it_but_never_the_clouds_metadata() -> None:
    inside = parse_networks("10.1.0.0/16, 127.0.0.0/8,fd12:3456::/32")
    assert permitted(ip_address("10.1.2.3"), inside) and permitted(ip_address("fd12:3456::1"), inside)
    assert permitted(ip_address("::ffff:10.1.2.3"), inside)
    assert not permitted(ip_address("10.2.0.1"), inside)
    everything = parse_networks("0.0.0.0/0,::/0")
    assert not any(permitted(place, everything) for place in METADATA)
    assert not permitted(ip_address("::ffff:169.254.169.254"), everything)


async def test_one_closed_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefused):
        await post("https://receiver.example/", STRICT, Names([[PUBLIC, "8.8.8.8", "10.0.0.1"]]))


async def test_a_name_that_answers_otherwise_the_second_time_is_not_asked_a_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: what was checked is what is connected to, and no part below looks the name up again."""
    looked_up: list[object] = []
    loop = asyncio.get_running_loop()
    original = loop.getaddrinfo

    async def watched(host: object, port: object, **options: int) -> object:
        looked_up.append(host)
        return await original(host, port, **options)  # type: ignore[arg-type]

    async with receiving() as outside, receiving() as inside:
        monkeypatch.setattr(loop, "getaddrinfo", watched)
        names = Names([["127.0.0.1"], ["127.0.0.2"]])
        assert (await post(outside.url("rebinds.example"), rules(outside), names)).status == 204
        assert names.asked == ["rebinds.example"]
        assert "rebinds.example" not in looked_up
        (request,) = outside.taken
        assert request.headers["host"] == f"rebinds.example:{outside.port}"
        assert inside.taken == []
        # And when it answers with a closed address the next time, that call is refused.
        narrow = replace(rules(outside), networks=parse_networks("127.0.0.1/32"))
        with pytest.raises(AddressRefused):
            await post(outside.url("rebinds.example"), narrow, names)
    assert len(outside.taken) == 1


# How it is written.


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "receiver.example/hook", "//receiver.example/", "ftp://receiver.example/", "file:///etc/passwd"),
        *("http://receiver.example/", "https:///hook", "https:hook", "javascript:alert(1)", "gopher://h/"),
        *("https://user@receiver.example/", "https://user:s3cret@receiver.example/", "https://@receiver.example/"),
        *("https://receiver.example@127.0.0.1/", "https://receiver.example:443@127.0.0.1/", "https://a@b@c/"),
        *("https://receiver.example\\@127.0.0.1/", "https://127.0.0.1\\.receiver.example/", "https://a b/"),
        *("https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://0177.0.0.1/"),
        *("https://017700000001/", "https://127.0.0.01/", "https://1.2.3.4.5/", "https://example.0x/", "https://0/"),
        *("https://%31%32%37.0.0.1/", "https://１２７.0.0.1/", "https://①②⑦.0.0.1/", "https://127。0。0。1/"),
        *("https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1/", "https://[v1.fe]/", "https://::1/"),
        *("https://.example/", "https://a..b/", "https://-a.example/", "https://" + "a" * 64 + ".example/"),
        *("https://" + "a." * 130 + "example/", "https://receiver.example/" + "x" * 2000, "https://a;b/", "https://a,b/"),
        *("https://receiver.example:80/", "https://receiver.example:8443/", "https://receiver.example:0/"),
        *("https://receiver.example:99999/", "https://receiver.example:x/", "https://receiver.example:22/"),
        *("https://receiver.example/\r\nX: y", "https://receiver.example/\x00", "https://receiver.example\t/"),
    ],
)  # fmt: skip
async def test_an_address_that_hides_where_it_leads_is_refused_before_any_lookup(url: str) -> None:
    names = Names([[PUBLIC]])
    with pytest.raises(AddressRefused) as refused:
        await post(url, STRICT, names)
    assert names.asked == []
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://receiver.example", "receiver.example"),
        ("HTTPS://Receiver.EXAMPLE:443/a?b=c@d#e", "receiver.example"),
        ("https://receiver.example./hook", "receiver.example"),
        ("https://接收.example/", "xn--gzuu8a.example"),
        ("https://ex_am.example/a@b", "ex_am.example"),
        (f"https://{PUBLIC}./", PUBLIC),
        ("https://[2606:4700::1111]/", "2606:4700::1111"),
    ],
)
def test_a_host_is_known_by_one_form(url: str, host: str) -> None:
    target = check_url(url, STRICT)
    assert (target.host, target.port) == (host, 443)


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "inside.company.example"])
async def test_a_name_for_this_machine_is_found_out_by_its_address(host: str) -> None:
    with pytest.raises(AddressRefused):
        await post(f"https://{host}/", STRICT, Names([["127.0.0.1", "::1"]]))


def test_settings_name_networks_and_ports_in_lists() -> None:
    assert parse_networks("") == ()
    assert parse_networks("10.0.0.0/8, ::1/128") == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert parse_ports("443, 8443") == {443, 8443}
    for wrong in ("", "0", "65536", "https"):
        with pytest.raises(ValueError, match=r"ports are|invalid literal"):
            parse_ports(wrong)


# What goes out and what comes back.


async def test_the_request_arrives_as_it_was_given_and_the_status_comes_back() -> None:
    async with receiving() as receiver:
        receiver.answers = [status(200, "Set-Cookie: a=b", body=b"nobody sees this")]
        assert await post(receiver.url(path="/hook?key=1%20x"), rules(receiver)) == Answer(200)
        assert await post(receiver.url("receiver.example."), rules(receiver)) == Answer(204)
    first, second = receiver.taken
    assert (first.line, first.body) == ("POST /hook?key=1%20x HTTP/1.1", b"{}")
    assert first.headers["content-type"] == "application/json"
    assert "cookie" not in second.headers


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(code: int) -> None:
    async with receiving() as receiver, receiving() as other:
        receiver.answers = [status(code, f"Location: {other.url()}")]
        both = rules(receiver, ports=frozenset({receiver.port, other.port}))
        assert await post(receiver.url(), both) == Answer(code)
        assert other.connections == 0


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(path=""))
        assert (await post(receiver.url(), rules(receiver))).status == 204
        assert (receiver.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("120", 120), ("0", 0), ("-5", None), ("soon", None), ("", None), ("9" * 400, 9_999_999_999)],
)
async def test_when_to_come_again_is_read_in_seconds(given: str, seconds: float | None) -> None:
    async with receiving() as receiver:
        receiver.answers = [status(503, f"Retry-After: {given}")]
        assert await post(receiver.url(), rules(receiver)) == Answer(503, seconds)


async def test_when_to_come_again_is_read_as_a_moment() -> None:
    async with receiving() as receiver:
        later = datetime.now(UTC) + timedelta(seconds=90)
        receiver.answers = [status(429, f"Retry-After: {format_datetime(moment, usegmt=True)}")
                            for moment in (later, later - timedelta(days=1))]  # fmt: skip
        answer = await post(receiver.url(), rules(receiver))
        assert answer.status == 429 and answer.retry_after_s is not None and 80 < answer.retry_after_s <= 90
        assert (await post(receiver.url(), rules(receiver))).retry_after_s == 0


async def test_a_body_without_end_is_not_read_to_its_end() -> None:
    written = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with receiving() as receiver:
        receiver.answers = [flood]
        started = time.monotonic()
        assert await post(receiver.url(), rules(receiver)) == Answer(200)
        assert time.monotonic() - started < 3
    assert written < 50_000_000


async def test_a_body_that_drips_does_not_hold_the_answer_up() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with receiving() as receiver:
        receiver.answers = [drip]
        started = time.monotonic()
        assert await post(receiver.url(), rules(receiver, timeout_s=30)) == Answer(202)
        assert time.monotonic() - started < 10


async def test_headers_that_drip_are_given_up_after_the_time_of_one_call() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for n in range(1000):
            writer.write(f"X-{n}: y\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.05)

    async with receiving() as receiver:
        receiver.answers = [drip]
        with pytest.raises(NoAnswer, match=r"within 0\.5 s") as none:
            await post(receiver.url(), rules(receiver, timeout_s=0.5))
        assert none.value.sent


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX"])
async def test_who_took_the_request_and_gave_no_answer_leaves_it_in_doubt(answer: bytes) -> None:
    async with receiving() as receiver:
        receiver.answers = [answer]
        with pytest.raises(NoAnswer) as none:
            await post(receiver.url(), rules(receiver))
        assert none.value.sent


async def test_without_a_connection_nothing_is_in_doubt() -> None:
    async with receiving() as receiver:
        pass
    with pytest.raises(NoAnswer) as refused:
        await post(receiver.url(), rules(receiver))
    assert not refused.value.sent

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outward = Outward(rules(receiver), unknown)
    with pytest.raises(NoAnswer, match="not known") as nameless:
        await outward.post(receiver.url("nowhere.example"), b"", {})
    assert not nameless.value.sent
    with pytest.raises(NoAnswer, match="no address"):
        await post(receiver.url("empty.example"), rules(receiver), Names([[]]))
    await outward.close()


async def test_of_several_addresses_the_next_is_tried_where_one_is_dead() -> None:
    async with receiving() as receiver:
        names = Names([["127.0.0.9", "127.0.0.1"]])
        assert (await post(receiver.url("two.example"), rules(receiver), names)).status == 204
        assert len(receiver.taken) == 1


async def test_a_lookup_that_hangs_is_given_up() -> None:
    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(3600)
        return []

    outward = Outward(Rules(timeout_s=0.2), hangs)
    with pytest.raises(NoAnswer) as none:
        await outward.post("https://receiver.example/", b"", {})
    assert not none.value.sent
    await outward.close()


async def test_over_tls_the_certificate_must_be_the_names_own_although_the_address_is_called(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "receiver.example")
    async with receiving(tls=context) as receiver:
        by = rules(receiver, http=False, ca_file=trusted)
        assert (await post(receiver.url("receiver.example", scheme="https"), by)).status == 204
        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(NoAnswer, match="certificate verify failed"):
                await post(receiver.url(host, scheme="https"), by)
        with pytest.raises(NoAnswer, match="certificate verify failed"):
            await post(receiver.url("receiver.example", scheme="https"), rules(receiver, http=False))
    assert len(receiver.taken) == 1


async def test_the_machines_own_lookup_is_used_where_none_is_given() -> None:
    async with receiving() as receiver:
        receiver.answers = [OK]
        outward = Outward(rules(receiver, networks=parse_networks("127.0.0.0/8,::1/128")))
        assert (await outward.post(receiver.url("localhost"), b"x", {})).status == 204
        await outward.close()
