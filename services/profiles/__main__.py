"""`python -m services.profiles`: one process of the profiles service; services/SETTINGS.md lists what tells it."""

from services.chassis.process import main
from services.profiles.app import serve
from services.profiles.settings import ProfilesSettings

main(ProfilesSettings, serve)
