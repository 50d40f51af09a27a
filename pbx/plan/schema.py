"""The sections of a plan but the menus: every key, its value and its default.

The descriptions are the reference: docs/plan.md is written from them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from pbx.plan.schema_callback import CallbackRuleShape
from pbx.plan.schema_funnel import FunnelShape
from pbx.plan.schema_nodes import NodeShape, PromptShape, Say
from pbx.plan.schema_recording import Record
from pbx.plan.shape import (
    AtOnce,
    Date,
    Days,
    Duration,
    Extension,
    FirstTime,
    Flag,
    Form,
    Gap,
    Hours,
    Key,
    Label,
    Language,
    Name,
    OneOrMore,
    Peer,
    PhoneNumber,
    Prefix,
    Priority,
    PriorityStep,
    RingTime,
    Shape,
    Short,
    SipAddress,
    Skills,
    Sound,
    Times,
    Trunk,
    Voice,
    Weight,
    Zone,
    any_of,
    kind_of,
    one_given,
    one_of,
)
from pbx.plan.written import DATE, Wrong


class SpeechShape(Shape):
    """Who speaks the prompts that are written as texts."""

    engine: Annotated[str, one_of("espeak-ng", "piper")] = Field(
        "espeak-ng", description="The program; it must be installed on the engine's machine."
    )
    voices: dict[Language, Voice] = Field(
        default_factory=dict,
        description="A voice per language; for piper the path of the model.  espeak-ng takes the "
        "language itself by default.",
    )
    speed: Annotated[str, one_of("slow", "normal", "fast")] = Field(
        "normal", description="How fast it speaks."
    )


class VipShape(Shape):
    """Callers who are served before others, by the number that the provider shows.

    Any provider's customer may show any number: give VIPs a shorter wait, never more rights.
    """

    numbers: Annotated[list[PhoneNumber], OneOrMore] = Field(
        default_factory=list, description="Their numbers."
    )
    prefixes: Annotated[list[Prefix], OneOrMore] = Field(
        default_factory=list, description="Beginnings of numbers: `+4930`."
    )
    priority: Priority = Field(
        10,
        description="Added to that of number and step; for VIPs of a CRM's (docs/lookup.md), too.",
    )


class MemberShape(Shape):
    """Members of a queue: one manager, or all with a department or skill in common."""

    manager: Name | None = Field(None, description="One manager; the bare name does the same.")
    department: Label | None = Field(None, description="Everyone of a department.")
    skill: Skills | None = Field(None, description="Everyone who has these skills and levels.")

    @model_validator(mode="after")
    def _one_way(self) -> MemberShape:
        if sum(bool(way) for way in (self.manager, self.department, self.skill)) != 1:
            raise Wrong("a member is one of: a manager's name, a department, a skill")
        return self

    @classmethod
    def spelled(cls, form: Form) -> Form:
        """One of the three ways."""
        return one_given(form, "manager", "department", "skill")


def _member(value: Any) -> Any:
    return {"manager": value} if isinstance(value, str) else value


def _or_a_name(form: Form) -> Form:
    return any_of({"type": ["string", "integer"], "minLength": 1}, form)


Member = Annotated[MemberShape, Short(_member, _or_a_name)]


class RescueShape(Shape):
    """What Asterisk does with callers by itself while no engine runs."""

    members: Annotated[list[Member], OneOrMore, Field(min_length=1)] = Field(
        description="Whose phones ring, all at once: members as in a queue."
    )
    ring_time: RingTime = Field(40.0, description="How long they ring.")
    voicemail: Flag = Field(True, description="Then the caller can leave a message.")


class SettingsShape(Shape):
    """What holds for the whole plan."""

    region: Name = Field(description="Country of numbers written without +: `RU`, `KZ`, `DE`.")
    time_zone: Zone = Field(description="For schedules that name none: `Europe/Moscow`.")
    languages: Annotated[list[Language], OneOrMore, Field(min_length=1)] = Field(
        description="Languages of the prompts; the first is the default of numbers."
    )
    trunk: Trunk | None = Field(
        None, description="How outside numbers are called: `PJSIP/{number}@trunk`."
    )
    outside: Annotated[list[Prefix], OneOrMore] = Field(
        default_factory=list,
        description="Beginnings of numbers that may be called outside (`+7495`): mobiles and "
        "`call_out` must match one.  Empty: nothing outside is ever called.",
    )
    outside_hours: Name | None = Field(
        None, description="The schedule in which outside numbers may be called; default: always."
    )
    outside_per_hour: AtOnce | None = Field(
        None, description="Most calls to outside numbers within an hour; default: no limit."
    )
    outside_per_hour_each: AtOnce | None = Field(
        None,
        description="The same for each manager: their mobile rung, their transfers outside.",
    )
    speech: SpeechShape = Field(
        default_factory=lambda: SpeechShape.model_validate({}),
        description="Who speaks the texts.",
    )
    prompts_dir: Sound = Field(
        "prompts",
        description="Folder of recordings beside the plan: `<folder>/<language>/<name>.wav`.",
    )
    music: Name = Field("default", description="Music class of callers who wait.")
    vip: VipShape | None = Field(None, description="Callers who are served before others.")
    ring_time: RingTime = Field(20.0, description="Default of managers' devices.")
    wrap_up: Duration = Field(0.0, description="Default of managers.")
    pause_after_no_answers: Times = Field(0, description="Default of managers; 0 is never.")
    funnel: FunnelShape = Field(
        default_factory=lambda: FunnelShape.model_validate({}),
        description="The stages of a sale.",
    )
    rescue: RescueShape | None = Field(
        None, description="Who serves callers while no engine runs; default: a message at most."
    )


class NumberShape(Shape):
    """A number the company advertises.  The key is the number: `+78005553535`."""

    entry: NodeShape = Field(description="Where a caller begins: a menu's name or a step.")
    title: Label = Field("", description="Shown in lists and reports.")
    source: Label = Field("", description="Where it is advertised: `site`, `yandex`, `radio`.")
    language: Language | None = Field(
        None, description="Language of the prompts; default: the first of `settings.languages`."
    )
    also: Annotated[list[PhoneNumber], OneOrMore] = Field(
        default_factory=list,
        description="Other spellings the trunk may send.  Digits without + and the national "
        "spelling are known by themselves.",
    )
    lines: AtOnce | None = Field(None, description="Calls at once; default: no limit.")
    above: NodeShape | None = Field(
        None, description="Where a call above `lines` goes; needed with `lines`."
    )
    music: Name | None = Field(
        None, description="Music of its callers in any queue; default: the queue's."
    )
    priority: Priority = Field(0, description="Of its callers in any queue; added to the step's.")
    record: Record | None = Field(
        None, description="Which talks are recorded: `all`, `20%`, or more; default: none."
    )


class DeviceShape(Shape):
    """A manager's device: one of `phone`, `mobile`, `home`, `sip`, and when it rings."""

    phone: Peer | None = Field(None, description="A phone registered at the switch.")
    mobile: PhoneNumber | None = Field(None, description="A mobile, called through the trunk.")
    home: PhoneNumber | None = Field(None, description="A home number, through the trunk.")
    sip: SipAddress | None = Field(None, description="Any SIP address: `sip:ivan@example.org`.")
    delay: Duration = Field(0.0, description="Rings this much after its turn begins.")
    ring_time: RingTime | None = Field(
        None, description="How long it rings; default: `settings.ring_time`."
    )

    @model_validator(mode="after")
    def _one_address(self) -> DeviceShape:
        given = [one for one in (self.phone, self.mobile, self.home, self.sip) if one is not None]
        if len(given) != 1:
            raise Wrong("a device has exactly one of phone, mobile, home, sip")
        return self

    @classmethod
    def spelled(cls, form: Form) -> Form:
        """One address."""
        return one_given(form, "phone", "mobile", "home", "sip")


def _bare_phone(value: Any) -> Any:
    return {"phone": value} if isinstance(value, str) else value


class ManagerShape(Shape):
    """Someone who takes calls.  The key is a name for the rest of the plan."""

    name: Label = Field(description="The person's name.")
    department: Label = Field("", description="A word of your own: queues can name it.")
    extension: Extension | None = Field(None, description="Internal number, one to eight digits.")
    skills: Skills = Field(
        default_factory=dict, description="Skills with levels (1 lowest); a list means level 1."
    )
    devices: Annotated[
        list[Annotated[DeviceShape, Short(_bare_phone, _or_a_name)]],
        OneOrMore,
        Field(max_length=10),
    ] = Field(
        default_factory=list,
        description="What rings; default: the phone with the manager's key as its name.",
    )
    ring: Annotated[str, one_of("together", "one-after-another")] = Field(
        "together",
        description="`one-after-another`: each device begins when the one before has rung.",
    )
    wrap_up: Duration | None = Field(None, description="Time after a talk without a new call.")
    calls_at_once: AtOnce = Field(
        1, description="All calls together; a queue never offers a second one."
    )
    on_duty: Flag = Field(True, description="At work when the engine starts.")
    language: Language | None = Field(
        None,
        description="What the engine says to them; default: the first of `settings.languages`.",
    )
    pause_after_no_answers: Times | None = Field(
        None, description="Paused after so many offers in a row without an answer; 0 is never."
    )


class StrategyShape(Shape):
    """A strategy with parameters: those stand beside `name`, see docs/strategies.md."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Label = Field(description="The strategy.")
    fallback: StrategyShape | None = Field(None, description="What follows when it yields.")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def spelled(cls, form: Form) -> Form:
        """Its name alone does."""
        return any_of({"type": "string", "minLength": 1}, form)


class AnnounceShape(Shape):
    """What callers who wait are told of their wait.  More: docs/waiting.md."""

    position: Flag = Field(
        True, description="Their place in the line; never one worse than before."
    )
    estimate: Flag = Field(True, description="About how long they will wait, when it is known.")
    first: FirstTime = Field(15.0, description="So long after the wait began.")
    every: Gap | None = Field(
        45.0, description="Again so long after the end of the last time; `~` for once."
    )


class MessagesShape(Shape):
    """Messages to callers who wait, one each time; a bare list is `say`."""

    say: Say = Field(min_length=1, description="What is said.")
    order: Annotated[str, one_of("in-turn", "random")] = Field(
        "in-turn", description="`random`: none again before all were heard."
    )
    first: FirstTime = Field(30.0, description="So long after the wait began.")
    every: Gap | None = Field(
        60.0, description="The next so long after the end of the last; `~` for one alone."
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: Any) -> Any:
        return {"say": value} if isinstance(value, list | str) else value

    @classmethod
    def spelled(cls, form: Form) -> Form:
        """What is said, alone: a name or a list."""
        listed, one = form["properties"]["say"]["anyOf"]
        name = next(arm for arm in one["anyOf"] if "$ref" not in arm)
        return any_of(form, name, listed)


class QueueShape(Shape):
    """A waiting line and who serves it.  The key is its name."""

    title: Label = Field("", description="Shown in lists and reports.")
    members: Annotated[list[Member], OneOrMore, Field(min_length=1)] = Field(
        description="Managers' names, `department: sales`, `skill: {german: 2}`."
    )
    strategy: StrategyShape = Field(
        description="Who is rung: a strategy's name, or `name`, its parameters and `fallback`."
    )
    weights: dict[Name, Weight] = Field(
        default_factory=dict, description="Share of each manager, for strategy `weighted`."
    )
    ring_time: RingTime | None = Field(
        None,
        description="How long one offer rings; default: until its members' last device has rung.",
    )
    retry: Duration = Field(
        5.0, description="Before a manager who refused or did not answer is asked again."
    )
    hours: Name | None = Field(
        None,
        description="The schedule in which callers are taken in; default: always.  Who waits when "
        "it closes is still served.",
    )
    max_wait: Duration | None = Field(None, description="Longest wait; default: no limit.")
    max_length: AtOnce | None = Field(None, description="Most callers waiting; default: no limit.")
    priority_step: PriorityStep = Field(
        60.0,
        description="How much waiting one step of priority is worth: with `1m` and priority 5 a "
        "caller is served as if they had come five minutes earlier.  `7d`: before everyone else.",
    )
    weight: Priority = Field(
        0,
        description="Steps by which its callers go before those of other queues, at a manager who "
        "serves both; one is worth its `priority_step` of waiting.",
    )
    returning: Duration | None = Field(
        None,
        description="Who hangs up while waiting and calls again within this time has the old place "
        "back; default: nobody.",
    )
    manager_wait: Duration = Field(
        30.0,
        description="How long a caller waits for the manager whom a CRM named as responsible for "
        "them (docs/lookup.md), while that one is busy and others may be free.",
    )
    leave_when_no_managers: Flag = Field(
        False, description="Callers go on at once while nobody is at work."
    )
    music: Name | None = Field(None, description="Music class, `ringing` or `silence`.")
    announce: AnnounceShape | None = Field(
        None, description="What callers are told of their wait; default: nothing."
    )
    messages: MessagesShape | None = Field(None, description="Messages between the music.")
    record: Record | None = Field(
        None, description="Which talks are recorded; default: as the caller's number says."
    )
    callback: CallbackRuleShape | None = Field(
        None, description="Clients are called back by themselves; default: by people."
    )
    keys: dict[Key, NodeShape] = Field(
        default_factory=dict,
        description="What a waiting caller may press to leave the line, and the step it leads to; "
        "say so in `messages`.",
    )
    short_abandon: Duration = Field(
        5.0, description="Who hangs up within this time counts as a short abandon."
    )
    extension: Extension | None = Field(None, description="Managers transfer callers here by it.")
    on_overflow: NodeShape | None = Field(
        None, description="Where callers go who are not served; default: the call ends."
    )
    on_closed: NodeShape | None = Field(None, description="Instead, outside `hours`.")
    on_max_wait: NodeShape | None = Field(None, description="Instead, after `max_wait`.")
    on_full: NodeShape | None = Field(None, description="Instead, above `max_length`.")
    on_no_managers: NodeShape | None = Field(None, description="Instead, when nobody is at work.")


class HolidaysShape(Shape):
    """Days on which the schedule's `holiday` way is taken."""

    country: Name | None = Field(
        None, description="Public holidays of a country: `RU`, moved days included."
    )
    part: Name | None = Field(None, description="A part of the country with days of its own.")
    days: dict[Date, Label] = Field(
        default_factory=dict, description="Further days, with what they are."
    )


def _or_dates(form: Form) -> Form:
    day = {"type": "string", "pattern": f"^{DATE.pattern}$"}
    return any_of(form, {"type": "array", "items": day})


def _holidays(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    for day in value:
        if not isinstance(day, str):
            raise Wrong(f"expected dates, got {kind_of(day)}", "write 2026-05-09")
    return {"days": dict.fromkeys(value, "holiday")}


def _week(value: Any) -> Any:
    return {"daily": "all day"} if value == "always" else value


def _several(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value


def _or_always(form: Form) -> Form:
    return any_of(form, {"const": "always"})


def _or_a_list(form: Form) -> Form:
    return any_of(form, {"type": "array", "items": form, "minItems": 1})


SomeHours = Annotated[Hours, Short(_several, _or_a_list)]


class ScheduleShape(Shape):
    """Opening hours.  The key is its name."""

    time_zone: Zone | None = Field(None, description="Default: `settings.time_zone`.")
    hours: Annotated[dict[Days, SomeHours], Short(_week, _or_always)] = Field(
        description="`mon-fri: 09:00-18:00`, several ranges with commas, `22:00-06:00` past "
        "midnight, `all day`, or `always` for the whole; a day not named is closed."
    )
    dates: dict[Date, SomeHours] = Field(
        default_factory=dict,
        description="Single days, before week and holidays: `2026-12-31: 09:00-15:00`, `closed`.",
    )
    holidays: Annotated[HolidaysShape, Short(_holidays, _or_dates)] = Field(
        default_factory=lambda: HolidaysShape.model_validate({}),
        description="A list of dates, or `country`, `part` and `days`.",
    )


class PlanShape(Shape):
    """The sections."""

    settings: SettingsShape = Field(description="What holds for the whole plan.")
    numbers: dict[PhoneNumber, NumberShape] = Field(description="Numbers the company advertises.")
    managers: dict[Name, ManagerShape] = Field(default_factory=dict, description="Who takes calls.")
    queues: dict[Name, QueueShape] = Field(default_factory=dict, description="Waiting lines.")
    schedules: dict[Name, ScheduleShape] = Field(default_factory=dict, description="Opening hours.")
    menus: dict[Name, NodeShape] = Field(
        default_factory=dict, description="What callers hear and press."
    )
    prompts: dict[Name, PromptShape] = Field(
        default_factory=dict, description="What is said, by name."
    )
