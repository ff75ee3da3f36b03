"""The sources as this process knows them: who holds which token, what he may send, how much, and when he was heard."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from contracts.refusal import Refused
from services.chassis.auth import Caller, Role, Verifier, unauthorised
from services.chassis.mongo import Database, DatabaseError
from services.chassis.rounds import Rounds
from services.gateway import store
from services.gateway.metrics import GatewayMetrics
from services.gateway.model.quota import Bucket
from services.gateway.model.scope import Scope, types_of
from services.gateway.model.silence import Heard, hear, silent_from
from services.gateway.store import Source, Token

PREFIX: Final = "rgw_"  # so that a token found somewhere can be told for what it is
CALLER: Final = "source/"
PAUSE: Final = 1.0  # seconds between two looks for a token that is not known
_TRIES: Final = 3
log = structlog.get_logger(__name__)


@dataclass
class Known:
    """A source with what goes with it in memory. `first` and `last` are when it was heard since this was stored."""

    source: Source
    scope: Scope
    bucket: Bucket | None
    first: datetime | None = None
    last: datetime | None = None

    def spoke(self, now: datetime) -> None:
        """It has sent something."""
        self.first = self.first or now
        self.last = now


@dataclass
class Registry:
    """All sources, read again every `every` seconds; a worker of the runtime."""

    db: Database
    metrics: GatewayMetrics
    every: int
    least: int
    known: dict[str, Known] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    _tokens: dict[str, tuple[Token, str]] = field(default_factory=dict)
    _subjects: dict[str, str] = field(default_factory=dict)
    _looked: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        self._rounds = Rounds("registry", self.every)

    async def read(self) -> None:
        """Read all sources. Raises DatabaseError; what was known stays known then."""
        self._looked = time.monotonic()
        found = await store.sources(self.db)
        self.known = {one.name: self._with(one) for one in found}
        self._tokens = {token.id: (token, one.name) for one in found for token in one.tokens}
        self._subjects = {one.subject: one.name for one in found if one.subject is not None}

    def _with(self, source: Source) -> Known:
        before = self.known.get(source.name)
        if before is not None and before.source == source:
            return before
        bucket = before.bucket if before is not None and before.source.per_minute == source.per_minute else None
        if bucket is None and source.per_minute is not None:
            bucket = Bucket(source.per_minute, now_ms())
        made = Known(source, scope_of(source), bucket)
        if before is not None:
            made.first, made.last = before.first, before.last
        return made

    async def by_token(self, token: str) -> Known | None:
        """The source that holds this token. One that is not known may have been made a moment ago by another process:
        it is looked for, at most once a second, and waits for that.
        """
        token_id, _, secret = token.removeprefix(PREFIX).partition("_")
        if token_id not in self._tokens:
            asked = time.monotonic()
            async with self._lock:
                if self._looked < asked:
                    await asyncio.sleep(max(0.0, self._looked + PAUSE - asked))
                    await self.read()
        held, name = self._tokens.get(token_id, (None, ""))
        if held is None or not hmac.compare_digest(held.digest, digest(secret)) or held.revoked_at is not None:
            return None
        known = self.known.get(name)
        return known if known is not None and known.source.active else None

    def of(self, caller: Caller) -> Known | None:
        """The source behind a caller; None where a token of the company's issuer names none that is registered."""
        own = caller.subject.removeprefix(CALLER) if caller.subject.startswith(CALLER) else None
        return self.known.get(own or self._subjects.get(caller.subject, ""))

    async def run(self) -> None:
        """Read and store until stopped."""
        await self._rounds.run(self.round)
        await self._rounds.once(self.round)  # who was heard since is kept

    async def stop(self) -> None:
        """Let `run` finish."""
        self._rounds.stop()

    async def round(self) -> None:
        """Store who was heard, read all, show who is silent. Raises DatabaseError; what is known goes on serving."""
        try:
            self.heard = await store.heard(self.db)
            for known in list(self.known.values()):
                await self._keep(known)
            await self.read()
        finally:
            self.show(datetime.now(UTC))

    async def _keep(self, known: Known) -> None:
        first, last, name = known.first, known.last, known.source.name
        if first is None or last is None:
            return
        known.first = known.last = None  # what it says from here on is for the next round
        try:
            for _ in range(_TRIES):
                before = self.heard.get(name)
                after = hear(before or Heard(), first, last)
                if after == before or await store.keep_heard(self.db, name, before, after):
                    self.heard[name] = after
                    return
                self.heard = await store.heard(self.db)
        except DatabaseError:
            known.first, known.last = first, known.last or last
            raise

    def silent_since(self, name: str, now: datetime) -> datetime | None:
        """The moment since which a source has been silent beyond its usual gap; None where it is not."""
        known = self.known.get(name)
        if known is None or not known.source.active or known.last is not None:
            return None
        since = silent_from(self.heard.get(name, Heard()), known.source.gap_seconds, self.least, now.date())
        return since if since is not None and since < now else None

    def show(self, now: datetime) -> None:
        """Set the figures by source."""
        for gauge in (self.metrics.source_silence, self.metrics.source_silent):
            gauge.clear()
        for name, known in self.known.items():
            last = known.last or self.heard.get(name, Heard()).last
            if known.source.active and last is not None:
                self.metrics.source_silence.labels(name).set((now - last).total_seconds())
                self.metrics.source_silent.labels(name).set(self.silent_since(name, now) is not None)


class SourceVerifier(Verifier):
    """Knows the sources' own tokens beside those of the company's issuer."""

    registry: Registry | None = None

    async def caller(self, authorization: str | None) -> Caller:
        """See Verifier. Raises Problem 401 too for a source's token that is not known, revoked or of one put out."""
        token = (authorization or "").partition(" ")[2].strip()
        if not token.startswith(PREFIX) or self.registry is None:
            return await super().caller(authorization)
        known = await self.registry.by_token(token)
        if known is None:
            raise unauthorised("invalid_token", "The source's token is not known or was revoked; ask for a new one.")
        return Caller(CALLER + known.source.name, frozenset({Role.SYSTEM}))


def new_token(made_by: str, now: datetime) -> tuple[Token, str]:
    """A token as it is kept, and as its holder sends it: shown once, for it cannot be found again."""
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    kept = Token(id=token_id, digest=digest(secret), made_at=now, made_by=made_by)
    return kept, f"{PREFIX}{token_id}_{secret}"


def digest(secret: str) -> str:
    """What is kept of a secret. It is 32 random bytes, which nobody finds by trying: a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def scope_of(source: Source) -> Scope:
    """What a source may send. What is granted and no longer taken is left out."""
    try:
        return Scope(source.sources, types_of(source.takes))
    except Refused as unknown:
        log.warning("sources.bad_grant", source=source.name, reason=unknown.reason)
        return Scope(source.sources, frozenset())


def now_ms() -> int:
    """Milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000
