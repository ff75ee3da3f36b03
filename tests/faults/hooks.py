"""The receiver of the run's webhooks: he checks at once who calls, and knows a repeat by its id."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

from tests.chassis.receiver import OK, Receiver, Taken, request, status

SECRET: Final = f"whsec_{base64.b64encode(b'made for the fault run, not secret').decode()}"


@dataclass
class Hooks(Receiver):
    """Takes what is signed and answers 401 to all else. `came`: how often each webhook-id has come; `changed`: ids
    under which not always the same was said.
    """

    came: Counter[str] = field(default_factory=Counter)
    forged: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    said: dict[str, bytes] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which ends after its answer."""
        self.connections += 1
        try:
            call = await request(reader)
            writer.write(OK if self.take(call) else status(401))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the caller was killed
        finally:
            writer.close()

    def take(self, call: Taken) -> bool:
        """Whether the call is from whom it should be: unchanged, and not older than five minutes."""
        name = call.headers.get("webhook-id", "")
        try:
            Webhook(SECRET).verify(call.body, call.headers)
        except WebhookVerificationError as wrong:
            self.forged.append(f"{name}: {wrong}")
            return False
        self.came[name] += 1
        if self.said.setdefault(name, call.body) != call.body:
            self.changed.add(name)
        return True
