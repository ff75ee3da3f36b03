"""What the profiles service is told from outside, beside what every service is."""

from __future__ import annotations

from typing import ClassVar

from services.chassis.settings import Settings
from services.profiles.model.facts import CompanyDays


class ProfilesSettings(Settings):
    """Settings of the profiles service; see services/SETTINGS.md."""

    SERVICE: ClassVar[str] = "profiles"

    @property
    def days(self) -> CompanyDays:
        """The company's calendar."""
        return CompanyDays(self.zone)
