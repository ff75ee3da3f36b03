"""What the alerts service is told from outside, beside what every service is."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import SecretStr, ValidationInfo, field_validator

from services.alerts.cadence import DEFAULT_BUDGET, Cadence, check_country, closures_in
from services.alerts.channels.mail import SmtpSettings
from services.alerts.channels.webhook import Keyring
from services.alerts.churn import DEFAULT_HORIZON_DAYS, DEFAULT_LEAST_PURCHASES, DEFAULT_THRESHOLD, Churn
from services.alerts.model.digest import Params as DigestParams
from services.alerts.model.rules.receivable_over_limit import Params as CreditParams
from services.alerts.model.rules.receivable_overdue import Params
from services.alerts.rules import Rules
from services.chassis.outward import Rules as OutwardRules
from services.chassis.outward import parse_networks, parse_ports
from services.chassis.settings import Settings, setting


class AlertsSettings(Settings):
    """Settings of the alerts service; see services/SETTINGS.md."""

    SERVICE: ClassVar[str] = "alerts"

    grace_days: int = setting(
        0, "Days after the due date before an invoice counts as overdue, where the customer has none of his own.",
        unit="days", ge=0, le=365,
    )  # fmt: skip
    alerts_exposure_orders: bool = setting(
        False, "Whether open orders count against the credit limit, beside what is invoiced and not paid."
    )
    alerts_cadence_budget: float = setting(
        DEFAULT_BUDGET,
        "Unfounded alarms about slower purchases that are put up with, for each customer and year. More of them means "
        "earlier warning.",
        unit="alarms", gt=0, le=5,
    )  # fmt: skip
    alerts_churn_probability: float = setting(
        DEFAULT_THRESHOLD,
        "From which probability of no purchase in the time ahead on a customer is likely lost. Less of it means "
        "earlier warning, and more warnings.",
        unit="probability", ge=0.5, lt=1,
    )  # fmt: skip
    alerts_churn_horizon_days: int = setting(
        DEFAULT_HORIZON_DAYS, "The time ahead for which that is asked.", unit="days", ge=7, le=730
    )
    alerts_churn_purchases: int = setting(
        DEFAULT_LEAST_PURCHASES,
        "On how many days a customer must have bought to be warned of when he is likely lost.",
        unit="days", ge=2, le=1000,
    )  # fmt: skip
    alerts_refit_days: int = setting(
        91, "How often what is typical of all customers is fitted again; 0: never.", unit="days", ge=0, le=3660
    )
    alerts_holidays: str = setting(
        "CN", "Country (ISO 3166) on whose public holidays nobody is expected to buy, or `none`."
    )
    alerts_digest: bool = setting(
        False,
        "Whether colleagues of whom HR says nothing about it get one mail a working day, a digest, in place of a mail "
        "an alert.",
    )
    alerts_digest_at: str = setting(
        "08:30",
        "When, in the receiver's zone, where HR names neither an hour nor working hours.",
        pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
    )
    alerts_urgent: Literal["notice", "warning", "serious", "critical"] = setting(
        "serious", "Severity from which an alert waits for no digest."
    )
    alerts_closed_days: str = setting(
        "",
        "The company's own closures, such as `2026-08-03/2026-08-14, 2026-12-24`: they put deadlines off like "
        "holidays. After a change, refold.",
    )
    smtp_host: str = setting("127.0.0.1", "Mail server that takes the alerts' mails.")
    smtp_port: int = setting(25, "Its port.", ge=1, le=65535)
    smtp_tls: Literal["none", "starttls", "tls"] = setting("none", "How the mail server is spoken to.")
    smtp_user: str = setting("", "User at the mail server; empty means no sign-in.")
    smtp_password: SecretStr = setting(SecretStr(""), "Its password.")
    smtp_ca_file: Path | None = setting(None, "Certificates that sign the mail server's (PEM).")
    smtp_timeout_seconds: float = setting(10.0, "How long a step of the conversation may take.", unit="s", gt=0)
    mail_sender: str = setting("alerts@rapport.example", "Address the mails come from.")
    mail_sender_name: str = setting("Rapport 客情", "Name beside it.")
    mail_connections: int = setting(2, "Mails handed over side by side.", unit="connections", ge=1, le=32)
    mail_batch: int = setting(50, "Notifications of a channel taken in one round.", unit="notifications", ge=1, le=1000)
    public_url: str = setting("http://127.0.0.1:8080", "Where the links in mails and webhooks lead.")
    webhook_secrets: SecretStr = setting(
        SecretStr(""),
        "What signs webhooks, separated by blanks: `whsec_…` for all receivers, `host=whsec_…` for that host alone, in "
        "place of these. Several sign side by side, so that one can replace another. Empty: nobody is called.",
    )
    webhook_networks: str = setting(
        "",
        "Networks their receivers may lie in beside the public ones, such as `10.1.0.0/16`, separated by commas.",
    )
    webhook_ports: str = setting("443", "Ports at which they may be called, separated by commas.")
    webhook_http: bool = setting(False, "Call them without TLS too: for development only.")
    webhook_ca_file: Path | None = setting(None, "Certificates that sign theirs (PEM); absent means the machine's own.")
    webhook_timeout_seconds: float = setting(10.0, "How long a receiver may take to answer.", unit="s", gt=0)

    @property
    def smtp(self) -> SmtpSettings:
        """Where mails are handed over."""
        return SmtpSettings(
            host=self.smtp_host,
            port=self.smtp_port,
            tls=self.smtp_tls,
            username=self.smtp_user or None,
            password=self.smtp_password.get_secret_value() or None,
            ca_file=self.smtp_ca_file,
            timeout_s=self.smtp_timeout_seconds,
        )

    @field_validator("alerts_holidays")
    @classmethod
    def _country_is_known(cls, country: str) -> str:
        country = "" if country == "none" else country  # an empty variable is as good as none at all
        check_country(country)
        return country

    @field_validator("alerts_closed_days")
    @classmethod
    def _closures_can_be_read(cls, text: str) -> str:
        closures_in(text)
        return text

    @field_validator("webhook_secrets")
    @classmethod
    def _secrets_can_sign(cls, secrets: SecretStr) -> SecretStr:
        Keyring.parse(secrets.get_secret_value())
        return secrets

    @field_validator("webhook_networks", "webhook_ports")
    @classmethod
    def _lists_can_be_read(cls, text: str, info: ValidationInfo) -> str:
        (parse_ports if info.field_name == "webhook_ports" else parse_networks)(text)
        return text

    @property
    def outward(self) -> OutwardRules:
        """Where webhooks may go."""
        return OutwardRules(
            networks=parse_networks(self.webhook_networks),
            ports=parse_ports(self.webhook_ports),
            http=self.webhook_http,
            timeout_s=self.webhook_timeout_seconds,
            ca_file=self.webhook_ca_file,
        )

    @property
    def keyring(self) -> Keyring:
        """What signs them."""
        return Keyring.parse(self.webhook_secrets.get_secret_value())

    @property
    def digests(self) -> DigestParams:
        """Who gets digests, and when."""
        return DigestParams(
            on=self.alerts_digest, at=time.fromisoformat(self.alerts_digest_at), urgent=self.alerts_urgent
        )

    @property
    def rules(self) -> Rules:
        """The rules' parameters."""
        return Rules(
            self.zone,
            Params(grace_days=self.grace_days),
            credit=CreditParams(orders=self.alerts_exposure_orders),
            cadence=Cadence(self.alerts_cadence_budget, self.alerts_holidays, closures_in(self.alerts_closed_days)),
            churn=Churn(self.alerts_churn_horizon_days, self.alerts_churn_probability, self.alerts_churn_purchases),
        )
