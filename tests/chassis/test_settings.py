"""Settings: where they come from, what stops a start, and what is never shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr, ValidationError

import services
from services.chassis import environment
from services.chassis.catalogue import all_settings, metrics_page, settings_page
from services.chassis.settings import Settings, setting

HERE = Path(services.__path__[0])


class Alerts(Settings):
    SERVICE: ClassVar[str] = "alerts"
    smtp_password: SecretStr = setting(SecretStr(""), "Password at the mail server.")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("RAPPORT_"):
            monkeypatch.delenv(name)


def test_a_variable_overrides_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_BATCH_SIZE", "7")
    assert Settings().batch_size == 7


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_BATCH_SIZE", "")
    assert Settings().batch_size == 2000


def test_a_services_own_variable_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_HTTP_PORT", "1000")
    monkeypatch.setenv("RAPPORT_ALERTS_HTTP_PORT", "2000")
    assert (Settings().http_port, Alerts().http_port) == (1000, 2000)


def test_database_and_group_are_named_after_the_service() -> None:
    assert (Alerts().database, Alerts().group) == ("rapport_alerts", "rapport.alerts")
    assert Alerts(kafka_group="mine", mongo_database_prefix="trial").group == "mine"
    assert Alerts(mongo_database_prefix="trial").database == "trial_alerts"


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("RAPPORT_ALERTS_SMTP_PASSWORD_FILE", str(tmp_path / "password"))
    assert Alerts().smtp_password.get_secret_value() == "s3cret"


def test_a_secret_given_both_ways_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAPPORT_MONGO_URI", "mongodb://a")
    monkeypatch.setenv("RAPPORT_MONGO_URI_FILE", str(tmp_path / "uri"))
    with pytest.raises(ValueError, match="RAPPORT_MONGO_URI and RAPPORT_MONGO_URI_FILE are both given: keep one"):
        Settings()


def test_a_secret_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAPPORT_MONGO_URI_FILE", str(tmp_path / "gone"))
    with pytest.raises(ValueError, match=r"RAPPORT_MONGO_URI_FILE names .*gone, which cannot be read: No such file"):
        Settings()


def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_MONGO_URI", "mongodb://u:hunter2@db")
    monkeypatch.setenv("RAPPORT_KAFKA_SASL_PASSWORD", "hunter2")
    shown = Settings()
    assert "hunter2" not in f"{shown!r} {shown} {shown.model_dump_json()}"


def test_a_bad_value_names_its_field_and_does_not_repeat_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_LANES", "hunter2")
    with pytest.raises(ValidationError, match="lanes") as refused:
        Settings()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"company_zone": "Asia/Shangai"}, "no zone of the IANA list"),
        ({"kafka_security_protocol": "SASL_SSL"}, "needs RAPPORT_KAFKA_SASL_USER and RAPPORT_KAFKA_SASL_PASSWORD"),
        ({"kafka_cert_file": Path("a.pem")}, "given together or not at all"),
        ({"auth_issuer": "https://sign-in.example"}, "needs RAPPORT_AUTH_JWKS"),
        ({"page_size": 900}, "must not exceed"),
        ({"http_port": 70000}, "http_port"),
    ],
)
def test_settings_that_cannot_work_stop_the_start_and_say_what_to_do(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(**given)  # type: ignore[arg-type]


def test_a_misspelt_variable_is_noticed() -> None:
    environ = {
        "RAPPORT_BATCHSIZE": "1",
        "RAPPORT_BATCH_SIZE": "1",
        "RAPPORT_ALERTS_LANES": "1",
        "RAPPORT_MONGO_URI_FILE": "x",
        "RAPPORT_LANES_FILE": "x",
        "PATH": "x",
    }
    assert environment.unknown_variables(environ, [Alerts]) == ["RAPPORT_BATCHSIZE", "RAPPORT_LANES_FILE"]


def test_every_setting_is_explained_and_every_number_has_its_unit() -> None:
    classes: list[type[Settings]] = [Settings, *all_settings()]
    for cls in classes:
        for name, field in cls.model_fields.items():
            assert field.description, f"{cls.__name__}.{name}"
            assert field.description.endswith("."), f"{cls.__name__}.{name}"
            if field.annotation in (int, float) and not name.endswith("_port"):
                extra = field.json_schema_extra
                assert isinstance(extra, dict), name
                assert extra["unit"], f"{cls.__name__}.{name} counts in what?"


def test_the_page_of_settings_is_up_to_date() -> None:
    assert (HERE / "SETTINGS.md").read_text("utf-8") == settings_page(), (
        "run: rapport settings --out services/SETTINGS.md"
    )


def test_the_page_of_metrics_is_up_to_date() -> None:
    wanted = metrics_page()
    assert (HERE / "METRICS.md").read_text("utf-8") == wanted, "run: rapport metrics-table --out services/METRICS.md"


def test_the_table_shows_what_a_service_adds_and_changes() -> None:
    class Own(Settings):
        SERVICE = "own"
        lanes: int = setting(1, "Fewer here.", unit="transactions")
        extra: int = setting(5, "More of it.", unit="rows")

    table = environment.markdown(Settings, [Own])
    assert "| `RAPPORT_EXTRA` | `5` | rows | own | More of it. |" in table
    assert "| `RAPPORT_LANES` | `1` | transactions | own (its own default) | Fewer here. |" in table
    assert "| `RAPPORT_MONGO_URI` (or `…_FILE`) |" in table
    assert str(Path.cwd()) not in table
