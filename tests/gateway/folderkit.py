"""A folder that is watched, and looking at what became of the files laid there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.gateway.app import folders_of
from services.gateway.imports.folder import REPORT, Folder
from tests.gateway.gatekit import House, unique
from tests.waiting import until


@dataclass
class Drops:
    """The folder of a test with a source of its own; looked at by hand, so that a test says when."""

    house: House
    folder: Folder
    source: str

    @classmethod
    async def of(cls, house: House, top: Path, settle: int = 0) -> Drops:
        """A folder at `top`, and a source that may lay invoices, purchases and customers there."""
        told = house.settings.model_copy(update={"gateway_folder": top, "gateway_folder_settle_seconds": settle})
        (folder,) = folders_of(house.runtime, told, house.gate, house.importer)
        source = unique("erp").lower()
        await house.source(source, sources=[source], takes=["rapport.trade", "rapport.customers"])
        return cls(house, folder, source)

    def at(self, kind: str = "invoices", under: str = "") -> Path:
        """The folder of a kind."""
        path = self.folder.top / self.source / under / kind
        path.mkdir(parents=True, exist_ok=True)
        return path

    def lay(self, name: str, content: bytes, kind: str = "invoices") -> Path:
        """A file laid there, whole."""
        path = self.at(kind) / name
        path.write_bytes(content)
        return path

    async def gone(self, *paths: Path) -> None:
        """Look until these files are put away."""

        async def look() -> bool:
            await self.folder.look()
            return not any(path.exists() or path.is_symlink() for path in paths)

        await until(look, f"{', '.join(path.name for path in paths)} to be put away", every_s=0.05)

    def put_away(self, into: str, name: str, kind: str = "invoices") -> list[tuple[Path, dict[str, Any]]]:
        """Files of that name there, each with its report."""
        found = sorted(path for path in (self.at(kind) / into).glob("*") if path.name.endswith(f"-{name}"))
        return [(path, json.loads(path.with_name(path.name + REPORT).read_text("utf-8"))) for path in found]

    async def imports(self) -> list[dict[str, Any]]:
        """All imports of the source, in their order."""
        return await self.house.runtime.db["imports"].find({"owner": self.source}).sort("made_at", 1).to_list(None)
