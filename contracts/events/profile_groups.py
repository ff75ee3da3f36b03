"""What may be known of a customer: eight groups of a person, five of an organisation (domain.md, section 2).

These travel on the intake topic only (30 days); profiles keeps them, and no snapshot carries ethnicity, family or
personality.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from contracts.money import Money
from contracts.payload import BornOn, Id, Level, Name, Part, Text

Year = Annotated[int, Meta(ge=1850, le=2100)]


class Basic(Part, frozen=True, kw_only=True):
    """基本: who the person is and where he is reached."""

    title: Name | None = None
    gender: Literal["female", "male", "other"] | None = None
    born_on: BornOn | None = None
    birthplace: Name | None = None
    native_place: Name | None = None
    ethnicity: Name | None = None
    address: Text | None = None
    phone: Name | None = None
    mail: Name | None = None


class Consumption(Part, frozen=True, kw_only=True):
    """消费: how the person buys."""

    preferences: list[Name] | None = None
    brands: list[Name] | None = None
    price_sense: Level | None = None
    monthly_spend: Money | None = None


class School(Part, frozen=True, kw_only=True):
    """A stay at a school."""

    school: Name
    degree: Name | None = None
    subject: Name | None = None
    until: Year | None = None


class Education(Part, frozen=True, kw_only=True):
    """教育."""

    highest: Name | None = None
    schools: list[School] | None = None


class Job(Part, frozen=True, kw_only=True):
    """A position held."""

    employer: Name
    position: Name | None = None
    since: Year | None = None
    until: Year | None = None


class Career(Part, frozen=True, kw_only=True):
    """事业."""

    industry: Name | None = None
    jobs: list[Job] | None = None
    income_band: Name | None = None


class Family(Part, frozen=True, kw_only=True):
    """家庭, sensitive: needs consent, masked by default."""

    marital_status: Literal["single", "married", "divorced", "widowed", "other"] | None = None
    children: Annotated[int, Meta(ge=0, le=30)] | None = None
    wedding_on: BornOn | None = None
    note: Text | None = None


class Lifestyle(Part, frozen=True, kw_only=True):
    """生活."""

    interests: list[Name] | None = None
    sports: list[Name] | None = None
    media: list[Name] | None = None
    diet: Name | None = None


class Personality(Part, frozen=True, kw_only=True):
    """个性, sensitive: needs consent, masked by default."""

    temper: Name | None = None
    values: list[Name] | None = None
    note: Text | None = None


class Tie(Part, frozen=True, kw_only=True):
    """A tie to somebody: a customer by his account, or a name."""

    kind: Name
    customer_id: Id | None = None
    name: Name | None = None


class Relationships(Part, frozen=True, kw_only=True):
    """人际."""

    ties: list[Tie] | None = None
    memberships: list[Name] | None = None


class Person(Part, frozen=True, kw_only=True):
    """The eight groups of a person."""

    basic: Basic | None = None
    consumption: Consumption | None = None
    education: Education | None = None
    career: Career | None = None
    family: Family | None = None
    lifestyle: Lifestyle | None = None
    personality: Personality | None = None
    relationships: Relationships | None = None


class OrganisationBasic(Part, frozen=True, kw_only=True):
    """基础信息."""

    registered_name: Name | None = None
    registration_number: Name | None = None
    legal_form: Name | None = None
    founded_on: BornOn | None = None
    address: Text | None = None
    phone: Name | None = None
    mail: Name | None = None
    website: Name | None = None


class Characteristics(Part, frozen=True, kw_only=True):
    """客户特征."""

    industry: Name | None = None
    employees: Annotated[int, Meta(ge=0)] | None = None
    markets: list[Name] | None = None
    goals: Text | None = None
    plans: Text | None = None


class BusinessState(Part, frozen=True, kw_only=True):
    """业务状况."""

    annual_revenue: Money | None = None
    products: list[Name] | None = None
    sales_staff: Annotated[int, Meta(ge=0)] | None = None
    competitors: list[Name] | None = None
    note: Text | None = None


class TradingState(Part, frozen=True, kw_only=True):
    """交易状况, with an intermediary's appraisal (each 1-5)."""

    since: Year | None = None
    terms: Name | None = None
    payment_days: Annotated[int, Meta(ge=0, le=720)] | None = None
    initiative: Level | None = None
    operating_ability: Level | None = None
    credit: Level | None = None
    social_relations: Level | None = None


class Responsible(Part, frozen=True, kw_only=True):
    """A person in the customer's organisation."""

    name: Name
    part: Literal["decides", "influences", "uses", "represents"]
    position: Name | None = None
    phone: Name | None = None
    mail: Name | None = None


class InCharge(Part, frozen=True, kw_only=True):
    """负责人信息: who decides, who influences, who uses."""

    people: list[Responsible] | None = None


class Organisation(Part, frozen=True, kw_only=True):
    """The five groups of an organisation."""

    basic: OrganisationBasic | None = None
    characteristics: Characteristics | None = None
    business: BusinessState | None = None
    trading: TradingState | None = None
    in_charge: InCharge | None = None
