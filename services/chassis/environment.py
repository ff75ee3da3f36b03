"""How settings are read from the environment, which variables mean nothing, and the table of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX: Final = "RAPPORT_"
# Read by the local stack and by fault tests, not as settings; known here so that they are not taken for slips of the
# pen.
OTHER_VARIABLES: Final = frozenset({"RAPPORT_KAFKA", "RAPPORT_MONGO", "RAPPORT_KILL_AT", "RAPPORT_KILL_LOG"})
_CHECKOUT: Final = Path("contracts") / "topics"


def local_home() -> Path:
    """Where the local stack of this checkout keeps its things, unless told otherwise: `.rapport` at the checkout's top,
    or in the current folder.
    """
    here = Path.cwd()
    found = (folder for folder in (here, *here.parents) if (folder / _CHECKOUT).is_dir())
    return next(found, here) / ".rapport"


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from files named by `<VARIABLE>_FILE`; the file's last line end is not part of the secret.

    Raises ValueError when the file cannot be read, and when the secret is given both ways.
    """

    def __init__(self, settings_cls: type[BaseSettings], prefix: str) -> None:
        super().__init__(settings_cls)
        self._prefix = prefix

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The secret of one field, or None where no file is named."""
        variable = f"{self._prefix}{field_name.upper()}"
        named = os.environ.get(f"{variable}_FILE")
        if field.annotation is not SecretStr or not named:
            return None, field_name, False
        if os.environ.get(variable):
            raise ValueError(f"{variable} and {variable}_FILE are both given: keep one")
        try:
            return Path(named).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except OSError as failure:
            raise ValueError(f"{variable}_FILE names {named}, which cannot be read: {failure.strerror}") from failure

    def __call__(self) -> dict[str, Any]:
        """All secrets that files give."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def unknown_variables(environ: Mapping[str, str], classes: Sequence[type[BaseSettings]]) -> list[str]:
    """Variables that begin with `RAPPORT_` and mean nothing to any of `classes`: most likely misspelt."""
    known = OTHER_VARIABLES.union(*(_variables(cls) for cls in classes))
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def _variables(cls: type[BaseSettings]) -> Iterator[str]:
    service = str(getattr(cls, "SERVICE", ""))
    for prefix in (PREFIX, f"{PREFIX}{service.upper()}_") if service else (PREFIX,):
        for name, field in cls.model_fields.items():
            yield f"{prefix}{name.upper()}"
            if field.annotation is SecretStr:
                yield f"{prefix}{name.upper()}_FILE"


def markdown(base: type[BaseSettings], services: Sequence[type[BaseSettings]]) -> str:
    """One table of all settings: those of `base`, which every service has, then what each of `services` adds."""
    lines = ["| variable | default | unit | who | meaning |", "|---|---|---|---|---|"]
    lines += [_row(name, field, "every service") for name, field in base.model_fields.items()]
    for cls in sorted(services, key=lambda each: str(getattr(each, "SERVICE", ""))):
        for name, field in cls.model_fields.items():
            if name not in base.model_fields:
                lines.append(_row(name, field, str(getattr(cls, "SERVICE", ""))))
            elif field.default != base.model_fields[name].default:
                lines.append(_row(name, field, f"{getattr(cls, 'SERVICE', '')} (its own default)"))
    return "\n".join(lines) + "\n"


def _row(name: str, field: FieldInfo, who: str) -> str:
    secret = field.annotation is SecretStr
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    variable = f"`{PREFIX}{name.upper()}`" + (" (or `…_FILE`)" if secret else "")
    return f"| {variable} | {_default(field.default)} | {extra.get('unit', '')} | {who} | {field.description} |"


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        # What stands in the source is no secret yet; only the database's address has such a default.
        value = value.get_secret_value()
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return "" if value in (None, "", PydanticUndefined) else f"`{value}`"
