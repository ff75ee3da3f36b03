"""What the tests of all letters have in common: whom they are about, and how a mail is looked at."""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final

HEADING: Final[dict[str, Any]] = {
    "receiver_name": "Ann Lee",
    "alert_id": "0b9f6c0e",
    "link": "http://localhost:8080/alerts/0b9f6c0e?a=1&b=2",
    "customer_id": "C00042",
    "customer_name": "Harbour Trading",
}
HOSTILE: Final = 'Ann\r\nBcc: eve@example.test\r\n\r\n<script>alert(1)</script>"><img src=x>\u202e'
ROLES: Final = ("intermediary", "consumer")
BUYING: Final = {
    ("zh-CN", "intermediary"): "进货",
    ("zh-CN", "consumer"): "购买",
    ("en", "intermediary"): "order",
    ("en", "consumer"): "purchase",
}


def seen(html: str) -> str:
    """What a reader sees of it, the picture's words among it, in one line."""
    shown = re.sub(r'<img[^>]*alt="([^"]*)"[^>]*>', r"\1", html[html.index("<body") :])
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", text))
