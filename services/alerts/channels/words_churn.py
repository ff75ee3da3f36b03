"""What is said of rule churn_risk, in both languages. `{buying}` as in words_rhythm.py."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "churn.alert": {"zh-CN": "客户流失预警", "en": "Customer likely lost"},
    "churn.subject": {
        "zh-CN": "客户流失预警：{customer}，已 {days} 天没有{buying}，今后 {horizon} 天内不再{buying}的概率为 {p}",
        "en": "Likely lost: {customer}, no {buying} for {days} days, and {p} likely none in the next {horizon}",
    },
    "churn.lead": {
        "zh-CN": "客户 {customer} 自 {last} 以来已有 {days} 天没有{buying}，可能正在流失。",
        "en": "{customer} may be lost: no {buying} for {days} days, since that of {last}.",
    },
    "churn.chance": {
        "zh-CN": "据全部客户以往的{buying}情况，该客户今后 {horizon} 天内不再{buying}的概率为 {p}，"
        "预计{buying} {expected} 次。",
        "en": "By what customers like this did before, the chance of no {buying} in the next {horizon} days is {p}; "
        "{expected} are expected.",
    },
    "churn.step": {
        "zh-CN": "这不是新的预警，而是{alert}预警的升级：沉默仍在继续。",
        "en": "This is no new alert but a step up of “{alert}”: the same silence goes on.",
    },
    "churn.lost_since": {"zh-CN": "可能流失起始日", "en": "Likely lost since"},
    "churn.p_none": {"zh-CN": "不再{buying}的概率", "en": "Chance of no {buying}"},
    "churn.within": {"zh-CN": "{p}（今后 {horizon} 天）", "en": "{p} (in the next {horizon} days)"},
    "churn.last": {"zh-CN": "最后一次{buying}", "en": "Last {buying}"},
    "churn.signals": {"zh-CN": "流失征兆", "en": "Signals"},
    "churn.signal.stop": {
        "zh-CN": "自身节奏约 {usual} 天一次，至 {day} 已沉默 {n} 天，{buying}可能已停止",
        "en": "With a usual gap of {usual} days, {buying}s may have stopped: {n} days of silence by {day}",
    },
    "churn.signal.slowdown": {
        "zh-CN": "自身节奏约 {usual} 天一次，{buying}已经放缓，至 {day} 又沉默 {n} 天",
        "en": "With a usual gap of {usual} days, {buying}s came later and later: {n} days of silence by {day}",
    },
    "churn.signal.longest_gap": {
        "zh-CN": "此前几次{buying}之间，最长间隔为 {n} 天（至 {day}）",
        "en": "The longest of the latest gaps between {buying}s was {n} days, up to {day}",
    },
    "churn.signal.falling_amounts": {
        "zh-CN": "最近 {n} 个{buying}日（至 {day}）平均金额 {amounts}，此前平均 {before}",
        "en": "Days with {buying}s, the latest {n} up to {day}, came to {amounts} on average, to {before} before",
    },
    "churn.signal.cancelled_orders": {
        "zh-CN": "取消订单 {n} 份，共 {amounts}，最近一次 {day}",
        "en": "Orders cancelled: {n}, {amounts}, the last on {day}",
    },
    "churn.signal.returns": {
        "zh-CN": "退货 {n} 次，共 {amounts}，最近一次 {day}",
        "en": "Returns: {n}, {amounts}, the last on {day}",
    },
    "churn.signal.disputes": {
        "zh-CN": "有异议的发票 {n} 张，共 {amounts}，最近一次 {day}",
        "en": "Invoices disputed: {n}, {amounts}, the last on {day}",
    },
    "churn.signal.overdue": {
        "zh-CN": "逾期未付的发票 {n} 张，共 {amounts}，最早到期日 {day}",
        "en": "Invoices overdue: {n}, {amounts}, the oldest due on {day}",
    },
    "churn.todo.visit": {
        "zh-CN": "请当面或电话回访，了解原因：产品或服务缺陷、价格、没有特色、新产品吸引或习惯改变，并记入预警。",
        "en": "Visit or call, find out the reason (product or service, price, nothing special about us, novelty or "
        "changed habits) and record it with the alert.",
    },
    "churn.todo.offer": {
        "zh-CN": "准备一个挽回方案：针对原因改进，并约定下一次{buying}。",
        "en": "Prepare an offer that answers the reason, and agree the next {buying}.",
    },
    "churn.rule": {
        "zh-CN": "今后 {horizon} 天内不再{buying}的概率达到 {threshold}，且此前至少在 {least} 个不同日期{buying}过",
        "en": "the chance of no {buying} in the next {horizon} days reaches {threshold}, for customers with "
        "{buying}s on {least} days or more",
    },
    "churn.rule_sentence": {"zh-CN": "触发规则：{says}。", "en": "The rule: {says}."},
    "churn.over.bought_again": {
        "zh-CN": "客户已于 {date} 再次{buying}，预警自动解除。",
        "en": "There was another {buying} on {date}; the alert ended by itself.",
    },
    "churn.over.regrouped": {
        "zh-CN": "客户的账户已合并或拆分，按现在的账户，客户并未流失：预警已撤回。",
        "en": "Accounts of the customer were merged or parted; as they are now, the customer is not lost: the alert is "
        "withdrawn.",
    },
    "churn.over.withdrawn": {
        "zh-CN": "后来的事实表明，客户当时并未流失：预警已撤回。",
        "en": "Later facts show that the customer was not lost then: the alert is withdrawn.",
    },
    "churn.likely_on": {
        "zh-CN": "若一直不{buying}，自 {date} 起将视为可能流失。",
        "en": "Without another {buying}, the customer counts as likely lost from {date} on.",
    },
    "churn.likely": {"zh-CN": "自 {date} 起视为可能流失。", "en": "Counted as likely lost since {date}."},
}
