"""TLS and sign-in to Kafka and MongoDB, with real certificates and a real handshake."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from faststream.security import SASLScram512

from services.chassis.security import (
    CertificateError,
    faststream_security,
    kafka_context,
    kafka_options,
    mongo_options,
)
from services.chassis.settings import Settings


class Authority:
    """Signs certificates for 127.0.0.1 into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    def issue(self, who: str, password: bytes | None = None) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])
        at = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = self._builder(name, key).add_extension(at, False).sign(self.key, hashes.SHA256())
        cert_file, key_file = self.folder / f"{who}.crt", self.folder / f"{who}.key"
        cert_file.write_bytes(made.public_bytes(Encoding.PEM))
        locked = BestAvailableEncryption(password) if password else NoEncryption()
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        return cert_file, key_file


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


async def shake_hands(authority: Authority, context: ssl.SSLContext) -> bool:
    """Whether a server that asks for a certificate of `authority` and a client with `context` come together."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_cert_chain(*authority.issue("broker"))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context)
    async with server:
        try:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            heard = await reader.read()
            writer.close()
        except (ssl.SSLError, ConnectionError):
            return False
    return heard == b"hello"


def with_tls(ca: Path, cert: tuple[Path, Path], **more: Any) -> Settings:
    return Settings(
        kafka_security_protocol="SSL", kafka_ca_file=ca, kafka_cert_file=cert[0], kafka_key_file=cert[1], **more
    )


async def test_both_sides_prove_who_they_are(authority: Authority) -> None:
    context = kafka_context(with_tls(authority.file, authority.issue("alerts")))
    assert context is not None
    assert await shake_hands(authority, context)


async def test_a_broker_of_another_authority_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    context = kafka_context(with_tls(stranger.file, authority.issue("alerts")))
    assert context is not None
    assert not await shake_hands(authority, context)


async def test_a_locked_key_is_opened_with_its_password(authority: Authority) -> None:
    cert = authority.issue("alerts", b"opensesame")
    context = kafka_context(with_tls(authority.file, cert, kafka_key_password="opensesame"))  # noqa: S106
    assert context is not None
    assert await shake_hands(authority, context)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_locked_key_without_its_password_stops_the_start_and_never_asks(authority: Authority, password: str) -> None:
    cert = authority.issue("alerts", b"opensesame")
    with pytest.raises(CertificateError, match="RAPPORT_KAFKA_KEY_PASSWORD"):
        kafka_context(with_tls(authority.file, cert, kafka_key_password=password))


def test_a_key_of_another_certificate_stops_the_start(authority: Authority) -> None:
    mixed = (authority.issue("alerts")[0], authority.issue("profiles")[1])
    with pytest.raises(CertificateError, match="the key must belong to the certificate"):
        kafka_context(with_tls(authority.file, mixed))


def test_a_file_that_is_not_there_is_named_with_its_variable(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"RAPPORT_KAFKA_CA_FILE names .*gone\.pem, which cannot be read"):
        kafka_context(with_tls(tmp_path / "gone.pem", authority.issue("alerts")))
    with pytest.raises(CertificateError, match="RAPPORT_MONGO_CA_FILE"):
        mongo_options(Settings(mongo_tls=True, mongo_ca_file=tmp_path / "gone.pem"))


def test_without_any_setting_nothing_is_asked_for() -> None:
    plain = Settings()
    assert kafka_options(plain) == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert faststream_security(plain) is None
    assert "tls" not in mongo_options(plain)


def test_user_and_password_reach_both_clients() -> None:
    signed = Settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_user="alerts",
        kafka_sasl_password="hunter2",  # type: ignore[arg-type]  # noqa: S106
        kafka_bootstrap="a:1,b:2",
    )
    options = kafka_options(signed)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("alerts", "hunter2")
    assert options["ssl_context"].check_hostname
    assert options["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    security = faststream_security(signed)
    assert isinstance(security, SASLScram512)
    assert security.use_ssl


def test_the_database_gets_its_certificates(authority: Authority) -> None:
    cert, _ = authority.issue("alerts")
    options = mongo_options(
        Settings(mongo_tls=True, mongo_ca_file=authority.file, mongo_cert_file=cert, mongo_timeout_ms=700)
    )
    assert options["tls"] is True
    assert options["tlsCAFile"] == str(authority.file)
    assert options["tlsCertificateKeyFile"] == str(cert)
    assert options["serverSelectionTimeoutMS"] == 700
