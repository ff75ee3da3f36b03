"""The words of the mailbox page in both languages, and which of the two a reader gets."""

from collections.abc import Mapping
from datetime import datetime

from babel.dates import format_datetime

LOCALES: Mapping[str, str] = {"en": "en_GB", "zh-CN": "zh_Hans_CN"}

WORDS: Mapping[str, Mapping[str, str]] = {
    "title": {"en": "Mailbox", "zh-CN": "收件箱"},
    "brand": {"en": "Rapport", "zh-CN": "客情"},
    "purpose": {
        "en": "Every mail the services send ends here. Nothing leaves this machine.",
        "zh-CN": "各服务发出的邮件都到这里为止，不会离开本机。",
    },
    "skip": {"en": "Skip to the mails", "zh-CN": "跳到邮件"},
    "language": {"en": "Language", "zh-CN": "语言"},
    "search": {"en": "Search", "zh-CN": "搜索"},
    "search_label": {"en": "Search by recipient or subject", "zh-CN": "按收件人或主题搜索"},
    "search_hint": {"en": "Recipient or subject", "zh-CN": "收件人或主题"},
    "clear": {"en": "Show all mails", "zh-CN": "显示全部邮件"},
    "only_to": {"en": "Only mails to {to}", "zh-CN": "只看发给 {to} 的邮件"},
    "all_to": {"en": "All mails to {to}", "zh-CN": "发给 {to} 的全部邮件"},
    "to": {"en": "To", "zh-CN": "收件人"},
    "from": {"en": "From", "zh-CN": "发件人"},
    "subject": {"en": "Subject", "zh-CN": "主题"},
    "received": {"en": "Received", "zh-CN": "收到时间"},
    "message_id": {"en": "Message-ID", "zh-CN": "邮件编号"},
    "attachments": {"en": "Attachments", "zh-CN": "附件"},
    "no_subject": {"en": "(no subject)", "zh-CN": "（无主题）"},
    "copies": {"en": "received {n} times", "zh-CN": "收到 {n} 次"},
    "copies_why": {
        "en": "The same Message-ID came more than once: a sender that was in doubt sent it again.",
        "zh-CN": "同一邮件编号收到不止一次：发送方不确定是否送达，又发了一次。",
    },
    "shown": {"en": "{first}–{last} of {total}", "zh-CN": "第 {first}–{last} 封，共 {total} 封"},
    "newer": {"en": "Newer", "zh-CN": "较新"},
    "older": {"en": "Older", "zh-CN": "较旧"},
    "pages": {"en": "Pages", "zh-CN": "分页"},
    "arrived": {"en": "New mails have arrived: show them", "zh-CN": "有新邮件：点此显示"},
    "empty": {"en": "No mail yet", "zh-CN": "还没有邮件"},
    "empty_hint": {
        "en": "As soon as a service sends one, it appears here.",
        "zh-CN": "服务一发出邮件，就会出现在这里。",
    },
    "no_match": {"en": "No mail matches", "zh-CN": "没有符合条件的邮件"},
    "no_match_hint": {
        "en": "Try part of an address, an invoice number or a customer's name.",
        "zh-CN": "可以试试地址的一部分、发票号或客户名称。",
    },
    "not_found": {"en": "There is no such mail", "zh-CN": "没有这封邮件"},
    "not_found_hint": {
        "en": "The mailbox may have been emptied since. Go back to the list.",
        "zh-CN": "收件箱可能已被清空。请返回列表。",
    },
    "back": {"en": "All mails", "zh-CN": "全部邮件"},
    "view": {"en": "View", "zh-CN": "查看方式"},
    "view_html": {"en": "Formatted", "zh-CN": "网页格式"},
    "view_text": {"en": "Text", "zh-CN": "纯文本"},
    "view_headers": {"en": "Headers", "zh-CN": "邮件头"},
    "download": {"en": "Download (.eml)", "zh-CN": "下载（.eml）"},
    "content": {"en": "Content of the mail", "zh-CN": "邮件内容"},
    "no_html": {"en": "This mail has no formatted part.", "zh-CN": "这封邮件没有网页格式的内容。"},
    "no_text": {"en": "This mail has no text part.", "zh-CN": "这封邮件没有纯文本内容。"},
}


def choose(asked: str | None, accept_language: str) -> str:
    """The language for a reader: what the address asks, else the browser's first wish we can meet, else English."""
    if asked is not None and asked in LOCALES:
        return asked
    for wish in _by_weight(accept_language):
        if wish.startswith("zh"):
            return "zh-CN"
        if wish.startswith("en"):
            return "en"
    return "en"


def _by_weight(accept_language: str) -> list[str]:
    wishes: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), name.strip().lower()))
        except ValueError:
            continue
    # The sort is stable: of equal weights the first named wins. A weight of 0 means "not this one".
    return [name for weight, name in sorted(wishes, key=lambda wish: -wish[0]) if weight > 0]


def moment(received_at: str, language: str) -> str:
    """A moment in this machine's zone, as the language writes it."""
    local = datetime.fromisoformat(received_at).astimezone()
    return str(
        format_datetime(
            local, "d MMM y, HH:mm:ss" if language == "en" else "y年M月d日 HH:mm:ss", locale=LOCALES[language]
        )
    )
