"""The start of a service process: settings from the environment, logging, the event loop, and a clear word where one
is wrong.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pydantic
import structlog

from .environment import unknown_variables
from .errors import OffsetGoneError
from .http_server import AddressTakenError
from .logs import configure
from .security import CertificateError
from .settings import Settings

S = TypeVar("S", bound=Settings)
log = structlog.get_logger(__name__)


def main(kind: type[S], serve: Callable[[S], Awaitable[None]]) -> None:
    """Run a service until it is told to stop. Ends the process with 2 where settings are wrong, 1 where it failed."""
    try:
        settings = kind()
    except pydantic.ValidationError as wrong:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in wrong.errors())
        sys.exit(_say(f"settings are wrong: {faults}. services/SETTINGS.md lists them all.", 2))
    for name in unknown_variables(os.environ, [kind]):
        print(f"{name} is set, but no service knows it: is it misspelt?", file=sys.stderr)
    configure(kind.SERVICE, level=settings.log_level, form=settings.log_format)
    calm_collector()
    try:
        _loop(serve(settings))
    except (AddressTakenError, CertificateError) as wrong:
        sys.exit(_say(str(wrong), 2))
    except OffsetGoneError as gone:
        log.critical("intake.offset_gone", reason=str(gone))
        sys.exit(1)


def calm_collector() -> None:
    """Let the cycle collector run seldom: what a batch makes is freed by reference counts, and looking for cycles
    among the cached states every few hundred objects costs as much as the folds themselves (measured: half of the
    time).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 50, 1_000)


def _loop(work: Awaitable[None]) -> None:
    async def awaited() -> None:
        await work

    try:
        import uvloop
    except ImportError:  # not on this platform: slower, and otherwise the same
        asyncio.run(awaited())
    else:
        uvloop.run(awaited())


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code
