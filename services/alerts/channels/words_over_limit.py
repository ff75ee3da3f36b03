"""What is said of rule receivable_over_limit, in both languages."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "limit.alert": {"zh-CN": "外欠款预警", "en": "Credit limit"},
    "limit.subject.over": {
        "zh-CN": "外欠款超出信用额度：{customer}，外欠款 {exposure}，额度 {limit}",
        "en": "Above the credit limit: {customer}, {exposure} owed, limit {limit}",
    },
    "limit.subject.near": {
        "zh-CN": "外欠款接近信用额度（{percent}）：{customer}，外欠款 {exposure}，额度 {limit}",
        "en": "{percent} of the credit limit used: {customer}, {exposure} owed, limit {limit}",
    },
    "limit.subject.none": {
        "zh-CN": "无信用额度却有外欠款：{customer}，外欠款 {exposure}",
        "en": "Owes without credit: {customer}, {exposure} owed",
    },
    "limit.lead.over": {
        "zh-CN": "客户 {customer}：外欠款 {exposure}，已超出信用额度 {limit}，使用率 {percent}。",
        "en": "{customer} owes {exposure}, more than the credit limit of {limit}: {percent} of it is used.",
    },
    "limit.lead.near": {
        "zh-CN": "客户 {customer}：外欠款 {exposure}，信用额度 {limit} 已使用 {percent}。",
        "en": "{customer} owes {exposure}: {percent} of the credit limit of {limit} is used.",
    },
    "limit.lead.none": {
        "zh-CN": "客户 {customer} 的信用额度为零，即不予赊销，现有外欠款 {exposure}。",
        "en": "{customer} has a limit of zero, which means no credit, and owes {exposure}.",
    },
    "limit.urge.near": {
        "zh-CN": "再接订单之前，请先约定付款，或申请调整额度。",
        "en": "Before the next order, agree a payment or have the limit looked at.",
    },
    "limit.urge.over": {
        "zh-CN": "请与主管商定是否继续赊销发货。",
        "en": "Agree with your supervisor whether to go on delivering on credit.",
    },
    "limit.urge.none": {
        "zh-CN": "请核实为何赊销给该客户，并尽快收款。",
        "en": "Find out why goods went to this customer on credit, and collect the amount soon.",
    },
    "limit.stage.near": {"zh-CN": "接近额度", "en": "near the limit"},
    "limit.stage.over": {"zh-CN": "超出额度", "en": "above the limit"},
    "limit.stage.none": {"zh-CN": "不予赊销", "en": "no credit"},
    "limit.company": {"zh-CN": "额度适用公司", "en": "Limit of company"},
    "limit.only_company": {
        "zh-CN": "该额度只针对公司 {company}。",
        "en": "The limit is that of company {company} alone.",
    },
    "limit.limit": {"zh-CN": "信用额度", "en": "Credit limit"},
    "limit.valid_from": {"zh-CN": "额度生效日", "en": "In force since"},
    "limit.exposure": {"zh-CN": "外欠款", "en": "Owed"},
    "limit.exposure_says": {
        "zh-CN": "未收发票金额减去未核销的收款和贷项",
        "en": "what is open of invoices less payments and credit notes not applied yet",
    },
    "limit.utilisation": {"zh-CN": "使用率", "en": "Used"},
    "limit.orders": {"zh-CN": "其中未结订单", "en": "Open orders in it"},
    "limit.orders_in_it": {"zh-CN": "其中未结订单 {orders}。", "en": "{orders} of it is on order."},
    "limit.converted": {"zh-CN": "外币折算", "en": "In other currencies"},
    "limit.converted_says": {
        "zh-CN": "{amount} 折合 {worth} 计入（{rates}）。",
        "en": "{amount} counts as {worth} ({rates}).",
    },
    "limit.rate": {
        "zh-CN": "1 {currency} = {rate} {base}，{date}汇率",
        "en": "1 {currency} = {rate} {base}, the rate of {date}",
    },
    "limit.not_counted": {"zh-CN": "未计入（无汇率）", "en": "Not counted (no rate)"},
    "limit.not_counted_says": {
        "zh-CN": "{amounts} 因没有汇率未计入。",
        "en": "{amounts} is not counted, for there is no rate.",
    },
    "limit.largest": {"zh-CN": "金额最大的未收发票", "en": "Largest open invoices"},
    "limit.largest_none": {"zh-CN": "没有未收发票。", "en": "No invoice is open."},
    "limit.due": {"zh-CN": "{date} 到期", "en": "due {date}"},
    "limit.next.pay": {
        "zh-CN": "联系客户，约定付款金额和日期，并记入预警。",
        "en": "Call the customer, agree an amount and a date of payment, and record it with the alert.",
    },
    "limit.next.apply": {
        "zh-CN": "向财务核实是否有已到账但尚未入账的款项。",
        "en": "Ask accounting whether money has arrived that is not in the books yet.",
    },
    "limit.next.limit": {
        "zh-CN": "额度若已不合适，请按授信流程申请调整：新额度生效后预警自动解除。",
        "en": "If the limit no longer fits, have it changed: once a new one is in force the alert ends by itself.",
    },
    "limit.rule_says": {
        "zh-CN": "外欠款达到信用额度的 {percent} 时提醒，超过 100% 时升级；额度为零即不予赊销，未设额度则不检查",
        "en": "a notice from {percent} of the limit on, a warning above 100%; a limit of zero means no credit, and "
        "where none is set nothing is checked",
    },
    "limit.over": {
        "zh-CN": "自 {date} 起外欠款已回到提醒线以下（{reason}），预警自动解除。",
        "en": "Since {date} what is owed is below the notice again ({reason}); the alert ended by itself.",
    },
    "limit.over.withdrawn": {
        "zh-CN": "后来的事实表明，当时的信用额度并未用到提醒线：预警已撤回。",
        "en": "Later facts show that the credit limit left room all the time: the alert is withdrawn.",
    },
    "limit.reason.paid": {"zh-CN": "收到付款", "en": "a payment"},
    "limit.reason.credited": {"zh-CN": "贷项通知", "en": "a credit note"},
    "limit.reason.written_off": {"zh-CN": "坏账核销", "en": "a write-off"},
    "limit.reason.corrected": {"zh-CN": "发票更正", "en": "a corrected invoice"},
    "limit.reason.cancelled": {"zh-CN": "发票作废", "en": "a cancelled invoice"},
    "limit.reason.order_changed": {"zh-CN": "订单变更", "en": "a changed order"},
    "limit.reason.order_closed": {"zh-CN": "订单结清", "en": "a closed order"},
    "limit.reason.limit_raised": {"zh-CN": "额度调整", "en": "another limit"},
    "limit.reason.limit_lifted": {"zh-CN": "不再检查额度", "en": "the limit is no longer checked"},
    "limit.reason.rate_changed": {"zh-CN": "汇率变动", "en": "another exchange rate"},
    "limit.reason.regrouped": {"zh-CN": "客户账户合并或拆分", "en": "accounts were merged or parted"},
    "limit.reason.within_limit": {"zh-CN": "外欠款减少", "en": "less is owed"},
    "event.limit.changed": {"zh-CN": "信用额度变更", "en": "credit limit changed"},
    "event.rate.applied": {"zh-CN": "采用新汇率", "en": "exchange rate applied"},
    "event.rate.published": {"zh-CN": "汇率发布", "en": "exchange rate published"},
    "event.invoice.cancelled": {"zh-CN": "发票作废", "en": "invoice cancelled"},
    "event.order.placed": {"zh-CN": "下单", "en": "order placed"},
    "event.order.changed": {"zh-CN": "订单变更", "en": "order changed"},
    "event.order.closed": {"zh-CN": "订单结清", "en": "order closed"},
}
