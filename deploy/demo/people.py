"""Made people: the account managers with their team leads, and a name for each customer. Nobody here exists."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

Language = Literal["zh-CN", "en"]

# Behind every made customer's name, so that no page or mail can be taken for a real person's account.
MADE: Final = {"zh-CN": "（虚构）", "en": " (made)"}

_CHINESE_STAFF: Final = (
    "陈建国 chen.jianguo|林秀兰 lin.xiulan|黄志强 huang.zhiqiang|张丽华 zhang.lihua|王海燕 wang.haiyan|"
    "李明辉 li.minghui|刘淑芬 liu.shufen|赵文博 zhao.wenbo|周晓梅 zhou.xiaomei|吴国栋 wu.guodong|"
    "徐静怡 xu.jingyi|孙立新 sun.lixin"
)
_WESTERN_STAFF: Final = (
    "Alice Marsh|Ben Holloway|Clara Whitfield|Daniel Frost|Edith Lang|Felix Moreau|Grace Penrose|Henry Castle|"
    "Iris Novak|Jack Sterling|Karin Holm|Liam Byrne"
)
_SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余"
_GIVENS: Final = (
    "秀英 桂英 建华 志明 小红 文静 国强 海涛 雅琴 俊峰 美玲 永福 晓东 丽娟 春梅 子豪 欣怡 思雨 浩然 梓涵 玉兰 德胜 "
    "宏 敏 磊 洋 艳 勇 杰 涛 明 超 霞 平 刚 芳 鑫 丹 莉 斌"
)
_FIRSTS: Final = (
    "Adam Amy Anna Brian Carla Colin Dora Elena Emma Frank Georgia Hannah Ian Jane Joel Kate Laura Leo Lucy Marcus "
    "Martha Neil Nina Oscar Paula Ralph Rita Ruth Sam Sarah Stella Theo Tom Una Vera Walter Yvonne Zoe"
)
_LASTS: Final = (
    "Archer Bennett Birch Brook Carver Clay Dalton Ellis Fairfax Finch Garrison Gray Hale Hobbs Ivory Jarvis Keane "
    "Lowell Mercer Nash Oakley Palmer Quill Reed Sutton Thorne Underhill Vale Weaver Wilde Winter York"
)

TEAMS: Final = ("east", "south", "west", "north")


@dataclass(frozen=True, slots=True)
class Colleague:
    """A made member of staff; `number` is also the subject of his events, `staff/M07`."""

    number: str
    name: str
    mail: str
    language: Language
    team: str
    supervisor: str | None


def staff() -> tuple[Colleague, ...]:
    """Four team leads, then the account managers, half of each language; always the same."""
    chinese = [tuple(entry.split()) for entry in _CHINESE_STAFF.split("|")]
    western = [(name, name.lower().replace(" ", ".")) for name in _WESTERN_STAFF.split("|")]
    named: list[tuple[str, str, Language]] = []
    for (zh_name, zh_local), (en_name, en_local) in zip(chinese, western, strict=True):
        named += [(zh_name, zh_local, "zh-CN"), (en_name, en_local, "en")]
    leads = [_colleague(f"L{at + 1}", named[at], TEAMS[at], None) for at in range(len(TEAMS))]
    managers = [
        _colleague(f"M{at + 1:02}", one, leads[at % len(leads)].team, leads[at % len(leads)].number)
        for at, one in enumerate(named[len(leads) :])
    ]
    return (*leads, *managers)


def _colleague(code: str, named: tuple[str, str, Language], team: str, supervisor: str | None) -> Colleague:
    name, local, language = named
    return Colleague(f"staff/{code}", name, f"{local}@example.test", language, team, supervisor)


def customer_name(seed: int, customer: str) -> tuple[str, Language]:
    """A made name with its label, and the customer's language: about half of each."""
    draw = Random(f"{seed}/name/{customer}")
    if draw.random() < 0.5:
        return draw.choice(_SURNAMES) + draw.choice(_GIVENS.split()) + MADE["zh-CN"], "zh-CN"
    return f"{draw.choice(_FIRSTS.split())} {draw.choice(_LASTS.split())}{MADE['en']}", "en"


def manager_of(seed: int, customer: str, managers: tuple[Colleague, ...]) -> Colleague:
    """The customer's account manager, whatever other customers there are."""
    return Random(f"{seed}/owner/{customer}").choice(managers)
