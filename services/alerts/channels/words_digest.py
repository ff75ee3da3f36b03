"""What a digest says, in both languages: around the alerts, and of each in a line."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "digest.title": {"zh-CN": "预警汇总", "en": "Digest"},
    "digest.subject": {
        "zh-CN": "预警汇总（{date}）：{customers}，{alerts}",
        "en": "Digest of {date}: {alerts} about {customers}",
    },
    "digest.subject_stake": {
        "zh-CN": "预警汇总（{date}）：{customers}，{alerts}，涉及 {stake}",
        "en": "Digest of {date}: {alerts} about {customers}, {stake} at stake",
    },
    "digest.alerts.one": {"zh-CN": "{n} 条预警", "en": "{n} alert"},
    "digest.alerts.other": {"zh-CN": "{n} 条预警", "en": "{n} alerts"},
    "digest.customers.one": {"zh-CN": "{n} 位客户", "en": "{n} customer"},
    "digest.customers.other": {"zh-CN": "{n} 位客户", "en": "{n} customers"},
    "digest.lead": {
        "zh-CN": "自上次汇总以来，{customers}有 {alerts}需要您处理。",
        "en": "There are {alerts} about {customers} since your last digest.",
    },
    "digest.lead_stake": {
        "zh-CN": "自上次汇总以来，{customers}有 {alerts}需要您处理，涉及金额 {stake}。",
        "en": "There are {alerts} about {customers} since your last digest; {stake} is at stake.",
    },
    "digest.order": {
        "zh-CN": "最紧要的在前；程度相同的，金额大的在前。",
        "en": "The most severe come first, and among equals the most money.",
    },
    "digest.plus": {"zh-CN": " + ", "en": " + "},
    "digest.severity.notice": {"zh-CN": "提醒", "en": "Notice"},
    "digest.severity.warning": {"zh-CN": "警告", "en": "Warning"},
    "digest.severity.serious": {"zh-CN": "严重", "en": "Serious"},
    "digest.severity.critical": {"zh-CN": "紧急", "en": "Critical"},
    "digest.todo": {"zh-CN": "建议", "en": "To do"},
    "digest.open": {"zh-CN": "查看原因", "en": "See why"},
    "digest.why": {
        "zh-CN": "您是这些客户的客户经理，非紧急预警按您的设置汇总成这一封邮件；紧急预警随时单独发出。"
        "已经解除的预警不再列出。邮件由系统自动发出，请勿回复。",
        "en": "You get this as these customers' account manager. As is set for you, alerts that are not urgent come in "
        "one mail; urgent ones come at once, and what is over by now is left out. It was sent automatically; nobody "
        "reads replies to it.",
    },
    "digest.overdue.one": {
        "zh-CN": "发票 {invoice} 于 {due}到期，已逾期 {n} 天，尚有 {open} 未收。",
        "en": "Invoice {invoice} was due on {due} and is {n} day late; {open} of it is open.",
    },
    "digest.overdue.other": {
        "zh-CN": "发票 {invoice} 于 {due}到期，已逾期 {n} 天，尚有 {open} 未收。",
        "en": "Invoice {invoice} was due on {due} and is {n} days late; {open} of it is open.",
    },
    "digest.overdue.call": {
        "zh-CN": "致电客户，问清未付款的原因，约定付款日期。",
        "en": "Call, ask why it is unpaid, and agree a date of payment.",
    },
    "digest.limit.near": {
        "zh-CN": "外欠款 {exposure}，信用额度 {limit} 已使用 {percent}。",
        "en": "{exposure} is owed: {percent} of the credit limit of {limit} is used.",
    },
    "digest.limit.over": {
        "zh-CN": "外欠款 {exposure}，已超出信用额度 {limit}，使用率 {percent}。",
        "en": "{exposure} is owed, more than the credit limit of {limit}: {percent} of it is used.",
    },
    "digest.limit.none": {
        "zh-CN": "信用额度为零，即不予赊销，现有外欠款 {exposure}。",
        "en": "The limit is zero, which means no credit, and {exposure} is owed.",
    },
    "digest.slowdown.stop": {
        "zh-CN": "通常每 {gap} 天{buying}一次，自 {last}以来已有 {n} 天没有{buying}。",
        "en": "Usually {gap} days pass between {buying}s; since that of {last} it has been {n}.",
    },
    "digest.slowdown.slowdown": {
        "zh-CN": "通常每 {gap} 天{buying}一次，近来屡次推迟，自 {last}又有 {n} 天没有{buying}。",
        "en": "Usually {gap} days pass between {buying}s; the latest came late, and since that of {last} it has been "
        "{n} again.",
    },
    "digest.slowdown.since": {
        "zh-CN": "通常每 {gap} 天{buying}一次，{last}之后隔了 {n} 天；此后虽又{buying}，节奏尚未恢复。",
        "en": "Usually {gap} days pass between {buying}s; after that of {last} it took {n}, and the rhythm is not "
        "back yet.",
    },
}
