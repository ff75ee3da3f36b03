"""What is said of rule purchase_slowdown, in both languages. 进货 is what dealers do, 购买 consumers: `{buying}`."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "rhythm.buying.dealer": {"zh-CN": "进货", "en": "order"},
    "rhythm.buying.consumer": {"zh-CN": "购买", "en": "purchase"},
    "rhythm.alert.dealer": {"zh-CN": "进货频率下降", "en": "Orders less often"},
    "rhythm.alert.consumer": {"zh-CN": "购买频率下降", "en": "Buys less often"},
    "rhythm.lead.stop": {
        "zh-CN": "客户 {customer} 通常每 {gap} 天{buying}一次，自 {last} 以来已有 {days} 天没有{buying}。",
        "en": "{customer} usually has a gap of {gap} days between {buying}s; {days} days passed after that of {last}.",
    },
    "rhythm.lead.slowdown": {
        "zh-CN": "客户 {customer} 通常每 {gap} 天{buying}一次，近来屡次推迟，自 {last} 又有 {days} 天没有{buying}。",
        "en": "{customer} usually has a gap of {gap} days between {buying}s, was late before, and again {days} days "
        "passed after that of {last}.",
    },
    "rhythm.expected": {
        "zh-CN": "按其自身节奏，应在 {expected} 前后再次{buying}；偶然沉默这么久的概率约为 {p}。",
        "en": "By the customer's own rhythm the next {buying} was expected about {expected}; so long a silence comes "
        "by chance in {p} of such gaps.",
    },
    "rhythm.since": {
        "zh-CN": "预警之后又有 {n} 个{buying}日，尚不足以说明节奏已恢复。",
        "en": "Days with {buying}s since the alarm: {n}. That is too few to say that the rhythm is back.",
    },
    "rhythm.rule": {
        "zh-CN": "触发规则：与客户自身的{buying}节奏相比；每个客户每年约容许 {budget} 次虚警。",
        "en": "The rule: judged against the customer's own rhythm of {buying}s; about {budget} unfounded alarms a "
        "customer-year are put up with.",
    },
    "rhythm.over.recovered": {
        "zh-CN": "客户已恢复原有的{buying}节奏（{date}），预警自动解除。",
        "en": "The old rhythm of {buying}s is back since {date}; the alert ended by itself.",
    },
    "rhythm.over.new_rhythm": {
        "zh-CN": "自 {date} 起，客户已形成新的{buying}节奏，预警解除；今后以新节奏为准。",
        "en": "By {date} a new rhythm of {buying}s had formed; the alert ended, and from now on that one counts.",
    },
    "rhythm.over.regrouped": {
        "zh-CN": "客户的账户已合并或拆分，按现在的账户，其{buying}并未放慢：预警已撤回。",
        "en": "Accounts of the customer were merged or parted; as they are now, the {buying}s have not slowed down: "
        "the alert is withdrawn.",
    },
    "rhythm.over.withdrawn": {
        "zh-CN": "后来的事实表明，客户当时并未放慢{buying}：预警已撤回。",
        "en": "Later facts show that the {buying}s had not slowed down then: the alert is withdrawn.",
    },
    "rhythm.todo.call": {
        "zh-CN": "联系客户，了解{buying}推迟的原因。",
        "en": "Talk to the customer: why is the next {buying} late?",
    },
    "rhythm.todo.check": {
        "zh-CN": "查看近期的投诉、缺货和价格变化，核对客户是否已转向其他供应商。",
        "en": "Look at recent complaints, shortages and prices, and whether somebody else delivers now.",
    },
    "rhythm.not_judged": {
        "zh-CN": "尚不作判断：至少需要 4 个{buying}日（3 个间隔），目前有 {n} 个间隔。",
        "en": "Not judged yet: it takes three gaps between {buying}s, and there are {n}.",
    },
    "rhythm.in_rhythm": {
        "zh-CN": "节奏正常：预计 {expected} 前后再次{buying}；若到 {alarm} 当天仍未{buying}，将发出预警。",
        "en": "In rhythm: the next {buying} is expected about {expected}; without one by the end of {alarm} there will "
        "be an alert.",
    },
    "rhythm.reach": {
        "zh-CN": "连同本客户群常见的停顿，100 个间隔中有 99 个不超过 {days} 天。",
        "en": "Allowing for the pauses customers take here, 99 of 100 gaps reach no further than {days} days.",
    },
    "rhythm.late_before": {
        "zh-CN": "此前的{buying}也有推迟，因此预警日提前。",
        "en": "Earlier {buying}s were late too, so the day of warning comes sooner.",
    },
    "rhythm.alarm": {
        "zh-CN": "自 {date} 起有预警。",
        "en": "There is an alarm since {date}.",
    },
    "rhythm.subject.one": {
        "zh-CN": "{alert}：{customer}，已 {n} 天没有{buying}，通常每 {gap} 天一次",
        "en": "{alert}: {customer}, no {buying} for {n} day, usually one every {gap} days",
    },
    "rhythm.subject.other": {
        "zh-CN": "{alert}：{customer}，已 {n} 天没有{buying}，通常每 {gap} 天一次",
        "en": "{alert}: {customer}, no {buying} for {n} days, usually one every {gap} days",
    },
    "rhythm.kind.stop": {"zh-CN": "可能已停止{buying}", "en": "{buying}s may have stopped"},
    "rhythm.kind.slowdown": {"zh-CN": "{buying}逐渐放缓", "en": "{buying}s come later and later"},
    "rhythm.usual_gap": {"zh-CN": "通常间隔", "en": "Usual gap"},
    "rhythm.gap_days": {"zh-CN": "{gap} 天", "en": "{gap} days"},
    "rhythm.last": {"zh-CN": "此次停顿前最后{buying}", "en": "Last {buying} before the silence"},
    "rhythm.expected_by": {"zh-CN": "预计下次{buying}", "en": "Next {buying} expected"},
    "rhythm.silent": {"zh-CN": "未{buying}天数", "en": "Time without {buying}s"},
    "rhythm.until": {"zh-CN": "截至 {date}", "en": "up to {date}"},
    "rhythm.days": {"zh-CN": "最近的{buying}日", "en": "The latest days with {buying}s"},
    "rhythm.later.one": {"zh-CN": "间隔 {n} 天", "en": "{n} day later"},
    "rhythm.later.other": {"zh-CN": "间隔 {n} 天", "en": "{n} days later"},
    "rhythm.picture": {
        "zh-CN": "{buying}节奏图：{buying}日为 {days}；其后至 {date} 共 {n} 天没有{buying}。",
        "en": "The rhythm as a picture: {buying}s on {days}; then none for {n} days, up to {date}.",
    },
    "rhythm.picture_since": {
        "zh-CN": "预警之后的{buying}日：{days}。",
        "en": "Days with {buying}s after the alarm: {days}.",
    },
    "rhythm.list_comma": {"zh-CN": "、", "en": ", "},
    "event.purchase.made": {"zh-CN": "购买", "en": "purchase"},
    "event.purchase.corrected": {"zh-CN": "购买更正", "en": "purchase corrected"},
    "event.goods.returned": {"zh-CN": "退货", "en": "goods returned"},
}


def kind_of(external_role: str) -> str:
    """Whose words: a dealer orders stock, everybody else buys."""
    return "dealer" if external_role == "intermediary" else "consumer"
