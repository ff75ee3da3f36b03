"""What is said of a customer whose balance is another in the books, in both languages."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "books": {"zh-CN": "与账目不符", "en": "The books say otherwise"},
    "books.apart": {
        "zh-CN": "账目（{source}）记载 {date} 终了的应收余额为 {stated}，本系统为 {ours}，相差 {difference}："
        "联系客户之前，请先与财务核对。",
        "en": "The books ({source}) state a balance of {stated} at the end of {date}, we have {ours}: a difference of "
        "{difference}. Clear it up with accounting before you call the customer.",
    },
    "books.short": {
        "zh-CN": "与账目相差 {differences}，请先核对。",
        "en": "The books differ by {differences}: check first.",
    },
}
