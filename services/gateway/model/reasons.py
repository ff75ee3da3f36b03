"""Why an event was not taken, in words of people who do not program, and what they do next."""

from __future__ import annotations

from typing import Final, NamedTuple


class Words(NamedTuple):
    """What happened and what to do next, in English and Chinese."""

    en: str
    next_en: str
    zh: str
    next_zh: str


_CORRECT_EN: Final = "Correct it here, or in the system it comes from and send it again under the same id."
_CORRECT_ZH: Final = "请在此更正，或在来源系统中改正后以相同的编号重新发送。"
_FORM_EN: Final = "Give the example to whoever looks after the sending system; correct this one here."
_FORM_ZH: Final = "请把示例交给来源系统的负责人；这一条可在此更正。"

WORDS: Final[dict[str, Words]] = {
    "malformed_json": Words(
        "The event cannot be read: it is damaged or cut off.", _FORM_EN, "事件无法读取：内容损坏或不完整。", _FORM_ZH
    ),
    "empty_value": Words("The event came without content.", _FORM_EN, "事件没有内容。", _FORM_ZH),
    "too_large": Words(
        "The event is larger than can be taken.",
        "Have the sending system send it in several smaller ones; then close this.",
        "事件过大，无法接收。",
        "请让来源系统拆分为几条较小的事件发送，然后关闭此条。",
    ),
    "wrong_content_type": Words("The event is not in the agreed form.", _FORM_EN, "事件的格式不符合约定。", _FORM_ZH),
    "missing_attribute": Words(
        "The event does not say what it is, whom it is about, when, or where it comes from.",
        _FORM_EN,
        "事件缺少必要的说明：类型、对象、时间或来源。",
        _FORM_ZH,
    ),
    "bad_attribute": Words(
        "What the event says of itself (its time, its subject, an id) is wrong.",
        _CORRECT_EN,
        "事件自身的说明（时间、对象或编号）有误。",
        _CORRECT_ZH,
    ),
    "unknown_type": Words(
        "Nobody here knows this kind of event.",
        "Compare the type with the example; a misspelt one is corrected here.",
        "没有这种类型的事件。",
        "请对照示例检查类型；如属拼写错误，可在此更正。",
    ),
    "newer_major": Words(
        "The event has a newer form than this system knows.",
        "Send it again when the system has been updated; operations know when.",
        "事件的格式版本比本系统新。",
        "系统升级后重新发送即可；升级时间请询问运维。",
    ),
    "key_mismatch": Words(
        "The event names one customer and was addressed to another.",
        "Find out which of the two is right, and correct the subject here.",
        "事件内容中的客户与发送时标明的客户不一致。",
        "请确认哪一个正确，并在此更正。",
    ),
    "absurd_time": Words("The event's time cannot be right.", _CORRECT_EN, "事件的时间不合理。", _CORRECT_ZH),
    "absurd_date": Words("A date in the event cannot be right.", _CORRECT_EN, "事件中的日期不合理。", _CORRECT_ZH),
    "bad_field": Words(
        "A value is missing, is of the wrong kind or out of its bounds.",
        _CORRECT_EN,
        "某个值缺失、类型不对或超出范围。",
        _CORRECT_ZH,
    ),
    "bad_money": Words(
        "An amount cannot be right: its form, its currency, its decimals or its sign.",
        _CORRECT_EN,
        "金额有误：格式、币种、小数位或正负号不对。",
        _CORRECT_ZH,
    ),
    "over_applied": Words(
        "More was settled than the document comes to.",
        "Compare the parts with the document in the books, and correct them.",
        "核销的金额超过了单据金额。",
        "请与账上的单据核对各部分金额并更正。",
    ),
    "personal_id": Words(
        "An id looks like a phone number, a mail address or an identity number.",
        "Use the customer's account number in its place, here and in the sending system.",
        "编号像是电话号码、邮箱或身份证号。",
        "请改用客户编号，并在来源系统中一并改正。",
    ),
    "conflict": Words(
        "A document of this number is known with other content.",
        "Compare both with the books. If this one is right, correct or reverse the first; else close this one.",
        "同一编号的单据已存在，但内容不同。",
        "请与账簿核对。若本条正确，请先更正或冲销原单据；否则关闭此条。",
    ),
    "tie_conflict": Words(
        "Two accounts that are one customer now have a document of this number with other content; the earlier holds.",
        "Compare both with the books. Two documents: give this one another number in its system. One document: correct "
        "or reverse the wrong one. Not one customer after all: part the accounts. Then close this.",
        "两个账户已合并为同一客户，但各有一张编号相同、内容不同的单据；目前以较早的一张为准。",
        "请与账簿核对。若是两张单据，请在来源系统中为本条另编一个号；若是同一张，请更正或冲销错误的一张；若并非同一客户，请取消合并。然后关闭此条。",
    ),
    "erased": Words(
        "The customer has been erased at his wish; nothing about him is taken any more.",
        "Close this, and see to it that the sending system forgets him too.",
        "该客户已按其要求删除，不再接收任何有关信息。",
        "请关闭此条，并确认来源系统也已删除该客户。",
    ),
    "fold_failed": Words(
        "The rules could not work with this event; that is a fault of this system.",
        "Give operations the id of this case. When it is mended, send it again as it was.",
        "系统规则处理该事件时出错，属于本系统的故障。",
        "请把此条的编号交给运维；修复后按原样重新发送。",
    ),
    "unreadable": Words("The event cannot be read at all.", _FORM_EN, "事件完全无法读取。", _FORM_ZH),
    "wrong_topic": Words(
        "The event was sent to the wrong place.",
        "Send it through the gateway, which knows the place, and then close this.",
        "事件发送到了错误的主题。",
        "请通过网关发送（网关会选择正确的主题），然后关闭此条。",
    ),
    "not_taken": Words(
        "This service does not take events of this kind.",
        "Close it, or have operations give it to the service that takes it.",
        "该服务不接收此类事件。",
        "请关闭此条，或请运维转交给相应的服务。",
    ),
    "not_intake": Words(
        "Only the suite itself says such events.",
        "Close it; operations can look for who sent it.",
        "此类事件只能由本系统自己发出。",
        "请关闭此条；运维可查找是谁发送的。",
    ),
}
OTHER: Final = Words(
    "The event was not taken; the message beside this says why.",
    "Correct it here if the message tells how; else give operations the id of this case.",
    "事件未被接收；原因见旁边的说明。",
    "如说明中指出了改法，请在此更正；否则请把此条的编号交给运维。",
)


def words(reason: str) -> Words:
    """The words for a reason; general ones for a reason that a service has of its own."""
    return WORDS.get(reason, OTHER)
