"""What clients of Kafka and MongoDB need to be let in: TLS and sign-in, from the settings."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from .settings import Settings


class CertificateError(Exception):
    """A certificate or key that the settings name cannot be used."""


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for every client of aiokafka: consumer, producer, admin. Raises CertificateError."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": kafka_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_user,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return options


def faststream_security(settings: Settings) -> BaseSecurity | None:
    """The same for `KafkaBroker(security=…)`; None where nothing is asked for. Raises CertificateError."""
    context = kafka_context(settings)
    if not settings.kafka_security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=True) if context else None
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[settings.kafka_sasl_mechanism](
        username=settings.kafka_sasl_user,
        password=settings.kafka_sasl_password.get_secret_value(),
        ssl_context=context,
        use_ssl=context is not None,
    )


def kafka_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS to the brokers, whose certificates and names are always checked; None where the protocol is without.

    Raises CertificateError.
    """
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    _readable("RAPPORT_KAFKA_CA_FILE", settings.kafka_ca_file)
    _readable("RAPPORT_KAFKA_CERT_FILE", settings.kafka_cert_file)
    _readable("RAPPORT_KAFKA_KEY_FILE", settings.kafka_key_file)
    try:
        context = ssl.create_default_context(cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None)
        if settings.kafka_cert_file:
            # Never None: OpenSSL would ask for the password at the terminal and the process would hang.
            context.load_cert_chain(
                settings.kafka_cert_file, settings.kafka_key_file, settings.kafka_key_password.get_secret_value
            )
    except (ssl.SSLError, OSError) as failure:
        raise CertificateError(
            "RAPPORT_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE does not fit: each must be PEM, the key must belong to the "
            f"certificate and RAPPORT_KAFKA_KEY_PASSWORD open it ({failure})"
        ) from failure
    return context


def mongo_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for the MongoDB client beside its address. Raises CertificateError."""
    options: dict[str, Any] = {
        "appname": f"rapport-{settings.SERVICE}",
        "serverSelectionTimeoutMS": settings.mongo_timeout_ms,
        "connectTimeoutMS": settings.mongo_timeout_ms,
        "maxPoolSize": settings.mongo_pool_size,
    }
    if not settings.mongo_tls:
        return options
    _readable("RAPPORT_MONGO_CA_FILE", settings.mongo_ca_file)
    _readable("RAPPORT_MONGO_CERT_FILE", settings.mongo_cert_file)
    options["tls"] = True
    if settings.mongo_ca_file:
        options["tlsCAFile"] = str(settings.mongo_ca_file)
    if settings.mongo_cert_file:
        options["tlsCertificateKeyFile"] = str(settings.mongo_cert_file)
        if password := settings.mongo_key_password.get_secret_value():
            options["tlsCertificateKeyFilePassword"] = password
    return options


def _readable(variable: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        with path.open("rb"):
            pass
    except OSError as failure:
        raise CertificateError(f"{variable} names {path}, which cannot be read: {failure.strerror}") from failure
