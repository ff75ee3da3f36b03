"""What tests of alerts stand on together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.mailbox import process as mailboxes
from deploy.local.mailbox.process import MailboxProcess


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    """A mail server of the module's own that keeps what it takes."""
    running = mailboxes.start(tmp_path_factory.mktemp("mails"))
    yield running
    running.stop()
