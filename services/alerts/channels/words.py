"""What the mails say, in both languages. A key that ends in .one or .other is chosen by the number it is said with.

Here is what all rules share and what is said of receivable_overdue; each other rule has a file of its own beside this.
"""

from collections.abc import Mapping
from typing import Literal

from babel import Locale

from services.alerts.channels import words_books, words_churn, words_digest, words_over_limit, words_rhythm

Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")
# British order of day and month, and US$ for the dollar: neither can be read in two ways.
LOCALES: Mapping[Language, Locale] = {"zh-CN": Locale("zh", "CN", script="Hans"), "en": Locale("en", "GB")}

_OVERDUE: Mapping[str, Mapping[str, str]] = {
    "colon": {"zh-CN": "：", "en": ": "},
    "comma": {"zh-CN": "，", "en": ", "},
    "alert": {"zh-CN": "应收账款逾期预警", "en": "Overdue receivable"},
    "subject.one": {
        "zh-CN": "逾期 {n} 天：{customer}，发票 {invoice}，未收 {open}",
        "en": "Overdue by {n} day: {customer}, invoice {invoice}, {open} open",
    },
    "subject.other": {
        "zh-CN": "逾期 {n} 天：{customer}，发票 {invoice}，未收 {open}",
        "en": "Overdue by {n} days: {customer}, invoice {invoice}, {open} open",
    },
    "greeting": {"zh-CN": "{name}，您好：", "en": "Dear {name},"},
    "greeting_nameless": {"zh-CN": "您好：", "en": "Good day,"},
    "lead.one": {
        "zh-CN": "客户 {customer}：发票 {invoice} 已逾期 {n} 天，尚有 {open} 未收。",
        "en": "{customer} has not fully paid invoice {invoice}: it is {n} day past due and {open} is open.",
    },
    "lead.other": {
        "zh-CN": "客户 {customer}：发票 {invoice} 已逾期 {n} 天，尚有 {open} 未收。",
        "en": "{customer} has not fully paid invoice {invoice}: it is {n} days past due and {open} is open.",
    },
    "customer": {"zh-CN": "客户", "en": "Customer"},
    "customer_id": {"zh-CN": "客户编号", "en": "Customer number"},
    "company": {"zh-CN": "开票公司", "en": "Invoicing company"},
    "invoice": {"zh-CN": "发票号", "en": "Invoice"},
    "issued_on": {"zh-CN": "开票日期", "en": "Issued on"},
    "due_on": {"zh-CN": "到期日", "en": "Due on"},
    "past_due": {"zh-CN": "已逾期", "en": "Past due"},
    "days.one": {"zh-CN": "{n} 天", "en": "{n} day"},
    "days.other": {"zh-CN": "{n} 天", "en": "{n} days"},
    "stage": {"zh-CN": "账龄阶段", "en": "Ageing stage"},
    "stage.1-30": {"zh-CN": "1–30 天", "en": "1–30 days"},
    "stage.31-60": {"zh-CN": "31–60 天", "en": "31–60 days"},
    "stage.61-90": {"zh-CN": "61–90 天", "en": "61–90 days"},
    "stage.91+": {"zh-CN": "90 天以上", "en": "over 90 days"},
    "total": {"zh-CN": "发票金额", "en": "Invoice total"},
    "open": {"zh-CN": "未收金额", "en": "Amount open"},
    "as_of": {"zh-CN": "数据截至 {date}", "en": "Figures as of {date}"},
    "paid": {"zh-CN": "已收与冲减", "en": "Paid and credited so far"},
    "paid_nothing": {"zh-CN": "至今没有收到任何款项。", "en": "Nothing has been paid so far."},
    "kind.payment": {"zh-CN": "收款", "en": "Payment"},
    "kind.credit_note": {"zh-CN": "贷项通知", "en": "Credit note"},
    "kind.write_off": {"zh-CN": "核销", "en": "Write-off"},
    "beside": {"zh-CN": "该客户的其他逾期发票", "en": "Other overdue invoices of this customer"},
    "beside_past_due.one": {"zh-CN": "逾期 {n} 天", "en": "{n} day past due"},
    "beside_past_due.other": {"zh-CN": "逾期 {n} 天", "en": "{n} days past due"},
    "beside_more": {"zh-CN": "另有 {n} 张，见预警列表", "en": "and {n} more, in the list of alerts"},
    "overdue_in_all": {"zh-CN": "逾期合计（含本张）", "en": "Overdue in all, this one included"},
    "next": {"zh-CN": "下一步", "en": "What to do next"},
    "next.call": {
        "zh-CN": "联系客户，问清未付款的原因，约定付款日期，并记入预警。",
        "en": "Call the customer, ask why the invoice is unpaid, agree a date of payment and record it with the alert.",
    },
    "next.check": {
        "zh-CN": "向财务核实：款项可能已在途中，或已到账但尚未核销到这张发票。",
        "en": "Ask accounting whether the payment is under way, or has arrived and is not yet applied to this invoice.",
    },
    "next.dispute": {
        "zh-CN": "客户若对发票有异议，请登记为争议：预警暂停，直到争议解决。",
        "en": "If the customer disputes the invoice, record the dispute: the alert rests until it is settled.",
    },
    "urge.1-30": {
        "zh-CN": "一个电话往往就能解决。",
        "en": "At this stage one call often settles it.",
    },
    "urge.31-60": {
        "zh-CN": "逾期已超过一个月：请取得客户书面的付款承诺。",
        "en": "It is more than a month late: ask for a promise of payment in writing.",
    },
    "urge.61-90": {
        "zh-CN": "逾期已超过两个月：请与主管商定，是否暂停赊销发货。",
        "en": "It is more than two months late: agree with your supervisor whether to go on delivering on credit.",
    },
    "urge.91+": {
        "zh-CN": "逾期已超过三个月：请与主管和财务商定催收办法。",
        "en": "It is more than three months late: agree with your supervisor and accounting how to collect it.",
    },
    "see_alert": {"zh-CN": "查看预警", "en": "Open the alert"},
    "why": {"zh-CN": "为什么收到这封邮件", "en": "Why you get this"},
    "rule": {"zh-CN": "规则", "en": "Rule"},
    "rule_says.one": {
        "zh-CN": "发票在到期日之后超过宽限期 {n} 天仍未付清",
        "en": "an invoice is unpaid after its due date and {n} day of grace",
    },
    "rule_says.other": {
        "zh-CN": "发票在到期日之后超过宽限期 {n} 天仍未付清",
        "en": "an invoice is unpaid after its due date and {n} days of grace",
    },
    "rule_says_no_grace": {
        "zh-CN": "发票在到期日之后仍未付清（无宽限期）",
        "en": "an invoice is unpaid after its due date (no days of grace)",
    },
    "set_for": {"zh-CN": "参数来源", "en": "Parameters set for"},
    "set_for.default": {"zh-CN": "全部客户（默认值）", "en": "all customers (default)"},
    "set_for.group": {"zh-CN": "该客户所属群体", "en": "the customer's group"},
    "set_for.customer": {"zh-CN": "该客户", "en": "this customer"},
    "events": {"zh-CN": "依据的事件", "en": "Events behind it"},
    "events_more": {"zh-CN": "另有 {n} 个事件，见预警页面", "en": "and {n} more, shown with the alert"},
    "event.invoice.issued": {"zh-CN": "开票", "en": "invoice issued"},
    "event.invoice.corrected": {"zh-CN": "发票更正", "en": "invoice corrected"},
    "event.invoice.disputed": {"zh-CN": "发票争议", "en": "invoice disputed or settled"},
    "event.payment.received": {"zh-CN": "收到付款", "en": "payment received"},
    "event.payment.applied": {"zh-CN": "付款核销", "en": "payment applied"},
    "event.payment.reversed": {"zh-CN": "付款退回", "en": "payment reversed"},
    "event.payment.promised": {"zh-CN": "付款承诺", "en": "payment promised"},
    "event.credit_note.issued": {"zh-CN": "贷项通知", "en": "credit note issued"},
    "event.debt.written_off": {"zh-CN": "坏账核销", "en": "debt written off"},
    # What the alert's page says beside the above: what was paid, how it ended, what is left to do.
    "paid_some": {
        "zh-CN": "发票金额 {total}，已收与冲减 {paid}。",
        "en": "Of {total}, {paid} has been paid or credited so far.",
    },
    "rule_sentence": {
        "zh-CN": "触发规则：{says}（参数来源：{level}）。",
        "en": "The rule: {says} (parameters set for {level}).",
    },
    "over.paid": {
        "zh-CN": "发票 {invoice} 已于 {date} 付清，预警自动解除。",
        "en": "Invoice {invoice} was paid on {date}; the alert ended by itself.",
    },
    "over.credited": {
        "zh-CN": "发票 {invoice} 已于 {date} 由贷项通知冲清，预警自动解除。",
        "en": "Invoice {invoice} was settled by a credit note on {date}; the alert ended by itself.",
    },
    "over.written_off": {
        "zh-CN": "发票 {invoice} 已于 {date} 核销，预警自动解除。",
        "en": "Invoice {invoice} was written off on {date}; the alert ended by itself.",
    },
    "over.cancelled": {
        "zh-CN": "发票 {invoice} 已于 {date} 作废，预警自动解除。",
        "en": "Invoice {invoice} was cancelled on {date}; the alert ended by itself.",
    },
    "over.disputed": {
        "zh-CN": "客户自 {date} 起对发票 {invoice} 有异议，预警暂停，直到争议解决。",
        "en": "The customer has disputed invoice {invoice} since {date}; the alert rests until that is settled.",
    },
    "over.other": {
        "zh-CN": "发票 {invoice} 的预警已于 {date} 解除（{outcome}）。",
        "en": "The alert about invoice {invoice} ended on {date} ({outcome}).",
    },
    "over.withdrawn": {
        "zh-CN": "后来的事实表明，发票 {invoice} 当时并未逾期：预警已撤回。",
        "en": "Later facts show that invoice {invoice} was not overdue then: the alert is withdrawn.",
    },
    "over.regrouped": {
        "zh-CN": "客户的账户已合并或拆分，按现在的账户，发票 {invoice} 的预警不再成立：预警已撤回。",
        "en": "Accounts of the customer were merged or parted; as they are now, the alert about invoice {invoice} no "
        "longer stands: it is withdrawn.",
    },
    "over.by_person": {
        "zh-CN": "{by} 已将预警标为解决（{outcome}）。",
        "en": "{by} has resolved the alert ({outcome}).",
    },
    "next.nothing": {"zh-CN": "无需再做处理。", "en": "Nothing is left to do."},
    "next.still_open": {
        "zh-CN": "发票 {invoice} 尚有 {open} 未收。",
        "en": "{open} of invoice {invoice} is still open.",
    },
    "next.settle_dispute": {
        "zh-CN": "与客户查明异议的原因并解决争议；争议解除后若仍未付款，将重新预警。",
        "en": "Find out what the customer objects to and settle it; if the invoice is unpaid then, it is raised again.",
    },
    "alert_id": {"zh-CN": "预警编号", "en": "Alert number"},
    "owner": {
        "zh-CN": "您是该客户的客户经理，因此收到这封邮件。邮件由系统自动发出，请勿回复。",
        "en": "You get this as the customer's account manager. It was sent automatically; nobody reads replies to it.",
    },
}
WORDS: Mapping[str, Mapping[str, str]] = {
    **_OVERDUE,
    **words_books.WORDS,
    **words_over_limit.WORDS,
    **words_rhythm.WORDS,
    **words_churn.WORDS,
    **words_digest.WORDS,
}


def nearest(tag: str | None) -> Language:
    """Which of our languages a BCP 47 tag gets: any Chinese is served zh-CN, everything else English."""
    return "zh-CN" if (tag or "").lower().partition("-")[0] == "zh" else "en"


def say(language: Language, key: str, **parts: object) -> str:
    """The words under `key`. Raises KeyError for a key nobody wrote."""
    return WORDS[key][language].format(**parts)


def say_number(language: Language, key: str, n: int, **parts: object) -> str:
    """The words under `key` in the form that the number `n` takes."""
    form = "one" if LOCALES[language].plural_form(n) == "one" else "other"
    return say(language, f"{key}.{form}", n=n, **parts)
