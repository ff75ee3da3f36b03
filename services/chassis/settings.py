"""What a process is told from outside: one frozen object, read once at its start from the environment.

A variable is the field's name in capitals behind `RAPPORT_`; behind `RAPPORT_<SERVICE>_` it speaks to one service only
and wins. A secret may also lie in a file named by the variable with `_FILE` at its end: then it is in no environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from .environment import PREFIX, SecretFiles, local_home

LOCAL_ISSUER = "rapport-local"


def setting(default: Any, description: str, *, unit: str = "", **limits: Any) -> Any:
    """A field with its explanation; `unit` is what a number counts in, and goes into the generated table."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Settings(BaseSettings):
    """What every service stands on. A service derives its own class, sets `SERVICE` and adds fields.

    Raises `pydantic.ValidationError` when a value cannot be read or settings contradict each other.
    """

    SERVICE: ClassVar[str] = ""
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    home: Path = Field(
        default_factory=local_home,
        description="Folder of the local stack: data, logs, keys of the local token issuer; by itself "
        "`.rapport` at the top of the checkout.",
    )

    kafka_bootstrap: str = setting("127.0.0.1:9092", "Kafka brokers to begin with, host:port, separated by commas.")
    kafka_group: str = setting("", "Consumer group; empty means `rapport.<service>`.")
    kafka_group_instance_id: str = setting(
        "",
        "Stable name of this process, where it has one: its successor then takes its partitions over at once.",
    )
    kafka_session_timeout_ms: int = setting(
        10_000, "A consumer silent for so long loses its partitions.", unit="ms", ge=1000
    )
    kafka_metadata_max_age_ms: int = setting(30_000, "How soon added partitions are noticed.", unit="ms", ge=1000)
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = setting(
        "PLAINTEXT", "How the brokers are spoken to; in production SASL_SSL or SSL."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "SCRAM-SHA-512", "How the process proves who it is, with SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_sasl_user: str = setting("", "User at the brokers.")
    kafka_sasl_password: SecretStr = setting(SecretStr(""), "Its password.")
    kafka_ca_file: Path | None = setting(
        None, "Certificates that sign the brokers' (PEM); absent means the machine's own."
    )
    kafka_cert_file: Path | None = setting(None, "Certificate of this process (PEM), where brokers ask for one.")
    kafka_key_file: Path | None = setting(None, "Key of that certificate (PEM).")
    kafka_key_password: SecretStr = setting(SecretStr(""), "Password of that key.")

    mongo_uri: SecretStr = setting(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rapport"),
        "MongoDB, a replica set. Secret, because it may hold a password.",
    )
    mongo_database_prefix: str = setting(
        "rapport", "Each service has a database of its own, `<prefix>_<service>`.", pattern=r"^[a-z][a-z0-9_]{0,30}$"
    )
    mongo_tls: bool = setting(False, "Speak TLS to MongoDB.")
    mongo_ca_file: Path | None = setting(
        None, "Certificates that sign MongoDB's (PEM); absent means the machine's own."
    )
    mongo_cert_file: Path | None = setting(
        None, "Certificate and key of this process for MongoDB (PEM, both in one file)."
    )
    mongo_key_password: SecretStr = setting(SecretStr(""), "Password of that key.")
    mongo_timeout_ms: int = setting(
        5_000, "How long a call waits for a database that is away before it counts as failed.", unit="ms", ge=100
    )
    mongo_pool_size: int = setting(20, "Connections to MongoDB at most.", unit="connections", ge=2)

    batch_size: int = setting(
        2_000,
        "Events applied in one go at most; under 1,000 the transaction no longer pays for itself.",
        unit="events",
        ge=1,
    )
    lanes: int = setting(2, "Transactions side by side, split by customer.", unit="transactions", ge=1, le=8)
    state_cache_size: int = setting(50_000, "States kept in memory; 0 turns the cache off.", unit="states", ge=0)
    state_cache_documents: int = setting(
        300_000, "Documents in those states, together; each takes about 1 KB.", unit="documents", ge=0
    )
    inbox_days: int = setting(
        35, "How long ids of technical events are remembered; longer than the topics hold events.", unit="days", ge=1
    )
    max_event_bytes: int = setting(1_000_000, "A larger event is a dead letter.", unit="bytes", ge=1024)

    relay_shards: int = setting(
        8,
        "Parts of the outbox, each sent by one process at a time. The same for all processes of a service.",
        unit="shards",
        ge=1,
        le=64,
    )
    relay_batch: int = setting(1_000, "Records of a shard in flight at once.", unit="records", ge=1)
    outbox_poll_ms: int = setting(
        500, "How often the relay looks for what others left behind; its own work wakes it at once.", unit="ms", ge=10
    )
    lease_ms: int = setting(
        3_000, "After how long without renewal another process takes a lease over.", unit="ms", ge=500
    )

    company_zone: str = setting("Asia/Shanghai", "Zone in whose midnight a rule's day ends (IANA name).")
    clock: Literal["log", "events"] = setting(
        "log",
        "What moves the clock: append times and, once all is read, the wall clock (`log`); or event times (`events`).",
    )
    clock_poll_ms: int = setting(1_000, "How often the clock looks for deadlines that are due.", unit="ms", ge=10)
    clock_batch: int = setting(500, "Deadlines folded in one go at most.", unit="deadlines", ge=1)

    supply_hold_days: int = setting(
        14,
        "How long rules wait at most for a system that delivers what they rest on and is silent for longer than usual; "
        "then it is taken to have ended. 0: they never wait.",
        unit="days",
        ge=0,
        le=366,
    )

    http_host: str = setting("127.0.0.1", "Address the HTTP API listens on; 0.0.0.0 in a container.")
    http_port: int = setting(8080, "Port of the HTTP API; 0 takes a free one.", ge=0, le=65535)
    http_max_body_bytes: int = setting(1_000_000, "A longer request is refused with 413.", unit="bytes", ge=1024)
    page_size: int = setting(50, "Entries on a page where the caller names no number.", unit="entries", ge=1)
    page_size_most: int = setting(500, "Entries on a page at most.", unit="entries", ge=1)

    auth_issuer: str = setting(
        LOCAL_ISSUER, f"Who must have issued a token (`iss`); `{LOCAL_ISSUER}` is the issuer for development."
    )
    auth_audience: str = setting("rapport", "For whom a token must be meant (`aud`).")
    auth_jwks: str = setting(
        "",
        "The issuer's public keys: an address (https) or a file; empty means those of the local issuer under `home`.",
    )
    auth_jwks_seconds: int = setting(
        300, "How long fetched keys serve before they are asked for again.", unit="s", ge=1
    )
    auth_roles_claim: str = setting(
        "roles", "Claim that holds the roles; a dot goes one level down (`realm_access.roles`)."
    )
    auth_leeway_seconds: int = setting(
        30, "How far clocks may differ when a token's times are read.", unit="s", ge=0, le=300
    )

    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least severe lines that are logged.")
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "`auto` is for people in a terminal and JSON elsewhere."
    )
    metrics: bool = setting(True, "Serve /metrics.")
    health_timeout_ms: int = setting(2_000, "A readiness check that takes longer has failed.", unit="ms", ge=10)
    audit_key: SecretStr = setting(
        SecretStr(""),
        "Key of the hashes in the audit trail; empty means a new one a start, and no comparing across starts.",
    )
    audit_anchor_seconds: int = setting(3_600, "How often the head of the audit chain is anchored.", unit="s", ge=1)
    shutdown_grace_seconds: float = setting(25.0, "Time to drain, commit and close after SIGTERM.", unit="s", gt=0)

    @property
    def database(self) -> str:
        """Name of this service's own database."""
        return f"{self.mongo_database_prefix}_{self.SERVICE}"

    @property
    def group(self) -> str:
        """Name of this service's consumer group."""
        return self.kafka_group or f"rapport.{self.SERVICE}"

    @property
    def zone(self) -> ZoneInfo:
        """The company's zone."""
        return ZoneInfo(self.company_zone)

    @property
    def jwks(self) -> str:
        """Address or file of the keys that tokens are checked with."""
        return self.auth_jwks or str(self.home / "auth" / "jwks.json")

    @field_validator("company_zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"{zone!r} is no zone of the IANA list; write for instance Asia/Shanghai") from unknown
        return zone

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_user and self.kafka_sasl_password.get_secret_value()
        ):
            raise ValueError(
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs {PREFIX}KAFKA_SASL_USER "
                f"and {PREFIX}KAFKA_SASL_PASSWORD"
            )
        if (self.kafka_cert_file is None) != (self.kafka_key_file is None):
            raise ValueError(f"{PREFIX}KAFKA_CERT_FILE and {PREFIX}KAFKA_KEY_FILE are given together or not at all")
        if self.auth_issuer != LOCAL_ISSUER and not self.auth_jwks:
            raise ValueError(
                f"{PREFIX}AUTH_ISSUER={self.auth_issuer} needs {PREFIX}AUTH_JWKS, the address of that issuer's keys"
            )
        if self.page_size > self.page_size_most:
            raise ValueError(f"{PREFIX}PAGE_SIZE must not exceed {PREFIX}PAGE_SIZE_MOST")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the service's own variables, these over the common ones; `_FILE` stands beside each."""
        sources: list[PydanticBaseSettingsSource] = [init_settings]
        if cls.SERVICE:
            own = f"{PREFIX}{cls.SERVICE.upper()}_"
            sources += [
                SecretFiles(settings_cls, own),
                EnvSettingsSource(settings_cls, env_prefix=own, env_ignore_empty=True),
            ]
        return (*sources, SecretFiles(settings_cls, PREFIX), env_settings)
