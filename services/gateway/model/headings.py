"""The headings and words that other systems use for the columns and values of files, in Chinese and English."""

from __future__ import annotations

import re
from typing import Final

from services.gateway.model.columns import Column

between: Final = re.compile(r"[;；|]").split

_CUSTOMER: Final = (
    *("客户编号", "客户编码", "客户代码", "客户号", "客户ID", "客户", "往来单位编码", "购货单位编码", "购买方编码"),
    *("customer id", "customer no", "customer number", "customer code", "account", "account id", "account number"),
)
_AMOUNT: Final = (
    *("金额", "总金额", "含税金额", "价税合计", "合计金额", "本币金额", "原币金额", "应收金额"),
    *("total", "total amount", "gross amount", "amount due"),
)
_CURRENCY: Final = ("币种", "币别", "货币", "币种代码", "currency code", "curr")
_COMPANY: Final = ("公司", "公司代码", "公司编码", "法人", "核算主体", "账套", "company code", "legal entity")

CUSTOMERS: Final = (
    Column("customer", ("id", "编号", "编码", "代码", *_CUSTOMER), required=True),
    Column("local_id", ("系统内编号", "本系统编号", "外部编号", "own id", "system id", "external id")),
    Column("name", ("名称", "姓名", "客户名称", "客户姓名", "单位名称", "customer name", "full name"), required=True),
    Column("kind", ("类型", "客户类型", "客户性质", "customer type", "type"), required=True),
    Column("relation", ("关系", "客户关系", "客户状态", "customer status", "status")),
    Column("external_role", ("角色", "客户角色", "外部角色", "role")),
    Column("intermediary_kind", ("中间商类型", "渠道商类型", "intermediary")),
    Column("sales_channel", ("销售渠道", "渠道", "channel")),
    Column("group", ("客户分组", "客户组", "分组", "客户类别", "customer group")),
    Column("territory", ("区域", "销售区域", "地区", "大区", "region", "sales territory")),
    Column("parent_id", ("上级客户", "上级客户编号", "母公司", "集团客户", "parent", "parent customer")),
    Column("owner_id", ("客户经理", "客户经理编号", "业务员", "销售员", "负责人", "owner", "account manager")),
    Column("timezone", ("时区", "time zone")),
    Column("language", ("语言", "lang")),
)
INVOICES: Final = (
    Column("invoice", ("发票号", "发票号码", "发票编号", "单据号", "单据编号", "invoice no", "invoice id",
                       "invoice number", "document number"), required=True),
    Column("customer", _CUSTOMER, required=True),
    Column("currency", _CURRENCY, required=True),
    Column("issue_date", ("开票日期", "发票日期", "单据日期", "日期", "issued on", "invoice date", "date"),
           required=True),
    Column("due_date", ("到期日", "到期日期", "应收日期", "付款到期日", "due on", "due", "payment due"), required=True),
    Column("amount", (*_AMOUNT, "发票金额", "invoice amount"), required=True),
    Column("disputed", ("争议", "是否争议", "有争议", "in dispute", "dispute")),
    Column("company", _COMPANY),
    Column("order", ("订单号", "订单编号", "order id", "order no", "order number")),
)  # fmt: skip
SETTLEMENT_COLUMNS: Final = (
    Column("doc", ("单据号", "单据编号", "收款单号", "凭证号", "document", "document id", "document number", "doc id",
                   "payment id", "payment number"), required=True),
    Column("type", ("类型", "单据类型", "收款类型", "document type", "kind"), required=True),
    Column("customer", _CUSTOMER, required=True),
    Column("currency", _CURRENCY, required=True),
    Column("date", ("日期", "收款日期", "单据日期", "到账日期", "dated on", "payment date", "document date"),
           required=True),
    Column("amount", (*_AMOUNT, "收款金额", "payment amount"), required=True),
    Column("applied_to", ("核销发票", "核销单据", "对应发票", "发票号", "发票号码", "applied", "invoice", "invoices")),
    Column("company", _COMPANY),
    Column("rate", ("汇率", "exchange rate")),
)  # fmt: skip
PURCHASES: Final = (
    Column("customer", _CUSTOMER, required=True),
    Column("date", ("日期", "购买日期", "销售日期", "消费日期", "交易日期", "purchased on", "purchase date",
                    "order date", "transaction date"), required=True),
    Column("amount", (*_AMOUNT, "购买金额", "销售金额", "消费金额", "交易金额"), required=True),
    Column("currency", _CURRENCY, required=True),
    Column("purchase", ("购买编号", "交易号", "交易编号", "流水号", "小票号", "销售单号", "订单号", "purchase id",
                        "purchase no", "transaction id", "receipt")),
    Column("channel", ("渠道", "销售渠道", "sales channel")),
    Column("company", _COMPANY),
)  # fmt: skip
BALANCES: Final = (
    Column("customer", _CUSTOMER, required=True),
    Column("currency", _CURRENCY, required=True),
    Column("as_of", ("截止日期", "截止日", "余额日期", "日期", "as of date", "balance date", "date"), required=True),
    Column("open", ("余额", "应收余额", "期末余额", "未收余额", "本币余额", "原币余额", "balance", "open balance",
                    "open amount", "closing balance", "金额", "amount"), required=True),
    Column("company", _COMPANY),
)  # fmt: skip

PARTIES: Final = {
    "person": "person", "个人": "person", "自然人": "person", "个人客户": "person", "individual": "person",
    "organisation": "organisation", "organization": "organisation", "company": "organisation", "企业": "organisation",
    "公司": "organisation", "单位": "organisation", "组织": "organisation", "机构": "organisation",
    "法人": "organisation", "企业客户": "organisation",
}  # fmt: skip
RELATIONS: Final = {
    "potential": "potential", "潜在": "potential", "潜在客户": "potential", "prospect": "potential",
    "current": "current", "现有": "current", "现有客户": "current", "正式": "current", "active": "current",
    "former": "former", "历史": "former", "流失": "former", "流失客户": "former", "inactive": "former",
    "competitor": "competitor", "竞争对手": "competitor", "竞争者客户": "competitor",
}  # fmt: skip
ROLES: Final = {
    "consumer": "consumer", "消费顾客": "consumer", "外部消费顾客": "consumer", "消费者": "consumer",
    "intermediary": "intermediary", "中间顾客": "intermediary", "中间商": "intermediary", "渠道商": "intermediary",
    "investor": "investor", "投资顾客": "investor", "股东": "investor",
    "public": "public", "公利顾客": "public", "政府": "public", "媒体": "public",
}  # fmt: skip
INTERMEDIARIES: Final = {
    "agent": "agent", "代理商": "agent", "distributor": "distributor", "分销商": "distributor",
    "经销商": "distributor", "retailer": "retailer", "零售商": "retailer",
}  # fmt: skip
CHANNELS: Final = {"direct": "direct", "直销": "direct", **INTERMEDIARIES}
SETTLEMENTS: Final = {
    "payment": "payment", "收款": "payment", "回款": "payment", "付款": "payment", "收款单": "payment",
    "credit_note": "credit_note", "贷项": "credit_note", "贷项通知单": "credit_note", "红字发票": "credit_note",
    "红票": "credit_note", "credit_memo": "credit_note",
    "write_off": "write_off", "坏账": "write_off", "坏账核销": "write_off", "writeoff": "write_off",
}  # fmt: skip
# A row with one of these and without what each row must have is a sum at the end of a page.
TOTALS: Final = frozenset(
    {"合计", "总计", "小计", "本页合计", "累计", "total", "totals", "grand total", "subtotal", "sum"}
)
# What an amount's heading says of its currency: 金额(元).
UNITS: Final = {"元": "CNY", "人民币": "CNY", "rmb": "CNY", "cny": "CNY", "¥": "CNY", "usd": "USD", "美元": "USD",
                "eur": "EUR", "€": "EUR", "hkd": "HKD", "港元": "HKD"}  # fmt: skip
unit: Final = re.compile(r"[(\[（【](?:单位[:：])?\s*([^)\]）】]+?)\s*[)\]）】]").search
