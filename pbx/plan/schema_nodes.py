"""The steps of a menu tree as they stand in YAML.

A step is a mapping whose kind is one of its keys (``menu``, ``play``, ``queue`` ...); the other
keys belong to that kind.  A bare word is a menu's name, ``hangup``, or in a menu's keys
``repeat``, ``back`` and ``main``.  A list of steps is taken one after another.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, RootModel, Tag, model_validator

from pbx.plan.shape import (
    DigitCounts,
    Flag,
    Form,
    Key,
    KeyTime,
    Label,
    Language,
    MenuOrStep,
    Name,
    OneOrMore,
    PhoneNumber,
    Priority,
    RingTime,
    Shape,
    Short,
    Skills,
    Sound,
    Text,
    Times,
    Variable,
    Word,
    any_of,
)
from pbx.plan.written import Wrong

TAG = "\0"
"""Begins the tags of unions: no text of a plan can, so a path's tags can be told from its keys."""
WORDS = ("back", "hangup", "main", "repeat")
"""Bare words with a meaning of their own: no menu can have them as its name."""
_PROMPT_KEYS = frozenset({"sound", "file", "text"})


def _given(key: str) -> Form:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


_ONE_SOURCE = [
    {**_given("sound"), "not": {"anyOf": [_given("file"), _given("text")]}},
    {"anyOf": [_given("file"), _given("text")], "not": _given("sound")},
]


def _text_kind(value: Any) -> str:
    return TAG + ("texts" if isinstance(value, dict) else "text")


SpokenText = Annotated[
    Annotated[dict[Language, Text], Tag(TAG + "texts"), Field(min_length=1)]
    | Annotated[Text, Tag(TAG + "text")],
    Discriminator(_text_kind),
]


class PromptShape(Shape):
    """Something to be heard: `sound`, or `file` and `text`, or texts by language alone."""

    sound: Sound | None = Field(None, description="A sound of the switch: `vm-goodbye`.")
    file: Sound | None = Field(
        None, description="A recording `<prompts_dir>/<language>/<file>.wav`."
    )
    text: SpokenText | None = Field(
        None, description="What is said: `{ru: ..., en: ...}`; spoken where there is no recording."
    )

    @model_validator(mode="before")
    @classmethod
    def _languages_alone(cls, value: Any) -> Any:
        if isinstance(value, dict) and value and not _PROMPT_KEYS & value.keys():
            return {"text": value}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> PromptShape:
        if self.sound is not None and (self.file is not None or self.text is not None):
            raise Wrong("a prompt is either a sound of the switch, or a file and a text")
        if self.sound is None and self.file is None and self.text is None:
            raise Wrong("a prompt needs a sound, a file or a text")
        return self

    @classmethod
    def spelled(cls, form: Form) -> Form:
        """A sound, or a file and a text, or texts by language alone."""
        keys = form["properties"]
        texts = next(one for one in keys["text"]["anyOf"] if one.get("type") == "object")
        kept = {**form, "properties": keys, "anyOf": _ONE_SOURCE}
        return any_of(kept, texts)


def _prompt_kind(value: Any) -> str:
    return TAG + ("name" if isinstance(value, str) else "prompt")


OnePrompt = Annotated[
    Annotated[Name, Tag(TAG + "name")] | Annotated[PromptShape, Tag(TAG + "prompt")],
    Discriminator(_prompt_kind),
]
Say = Annotated[list[OnePrompt], OneOrMore, Field(max_length=20)]


def _nothing(value: Any) -> Any:
    return [] if value is None else value


def _or_nothing(form: Form) -> Form:
    return any_of(form, {"type": "null"})


MaybeSay = Annotated[list[OnePrompt], OneOrMore, Short(_nothing, _or_nothing)]


class MenuShape(Shape):
    """Plays prompts and waits for a key."""

    menu: Say = Field(min_length=1, description="What is said.")
    keys: dict[Key, NodeShape] = Field(
        min_length=1,
        description="Key to step; `repeat`, `back` (the menu before) and `main` (the first menu "
        "the caller met) are words for it.  `*` and `#` stand in quotes.",
    )
    timeout: KeyTime = Field(5.0, description="Wait for the first key.")
    between_digits: KeyTime = Field(2.0, description="Wait for a further digit.")
    retries: Times = Field(2, description="Further tries after silence or a wrong key.")
    barge_in: Flag = Field(True, description="A key ends the prompt.")
    say_invalid: Say = Field(default_factory=list, description="Said after a wrong key.")
    say_timeout: Say = Field(default_factory=list, description="Said after silence.")
    on_timeout: NodeShape | None = Field(
        None, description="After the last silence; default: the call ends."
    )
    on_invalid: NodeShape | None = Field(
        None, description="After the last wrong key; default: as `on_timeout`."
    )


class PlayShape(Shape):
    """Plays prompts."""

    play: Say = Field(min_length=1, description="What is said.")
    then: NodeShape | None = Field(None, description="The next step; default: the call ends.")


class CollectShape(Shape):
    """Reads digits into a variable; # ends them early."""

    collect: Variable = Field(description="The variable.")
    digits: DigitCounts = Field(description="How many: `4` or `3-6`.")
    say: Say = Field(default_factory=list, description="What is said before.")
    timeout: KeyTime = Field(5.0, description="Wait for the first digit.")
    between_digits: KeyTime = Field(3.0, description="Wait for a further digit.")
    retries: Times = Field(2, description="Further tries after silence or too few digits.")
    barge_in: Flag = Field(True, description="A key ends the prompt.")
    say_invalid: Say = Field(default_factory=list, description="Said before a further try.")
    then: NodeShape | None = Field(None, description="The next step; default: the call ends.")
    otherwise: NodeShape | None = Field(
        None, description="When no try brought the digits; default: the call ends."
    )


class DialShape(Shape):
    """Calls one manager."""

    dial: Name = Field(description="The manager.")
    ring_time: RingTime | None = Field(None, description="Default: until the last device has rung.")
    on_busy: NodeShape | None = Field(None, description="The manager is busy or not at work.")
    on_no_answer: NodeShape | None = Field(None, description="Nobody answered.")
    otherwise: NodeShape | None = Field(
        None, description="For the ways not given; default: the call ends."
    )


class DialExtensionShape(Shape):
    """Calls the manager whose extension the caller gave."""

    dial_extension: Variable = Field(description="The variable with the digits.")
    ring_time: RingTime | None = Field(None, description="Default: until the last device has rung.")
    on_busy: NodeShape | None = Field(None, description="The manager is busy or not at work.")
    on_no_answer: NodeShape | None = Field(None, description="Nobody answered.")
    on_unknown: NodeShape | None = Field(None, description="No manager has this extension.")
    otherwise: NodeShape | None = Field(
        None, description="For the ways not given; default: the call ends."
    )


class QueueStepShape(Shape):
    """The caller waits for a manager."""

    queue: Name = Field(description="The queue.")
    priority: Priority = Field(0, description="0 to 100; higher is served first.")
    skills: Skills = Field(default_factory=dict, description="What the manager must be able to do.")
    on_overflow: NodeShape | None = Field(
        None, description="When nobody took the call; replaces all ways of the queue itself."
    )
    on_closed: NodeShape | None = Field(None, description="Instead, when the queue is closed.")
    on_max_wait: NodeShape | None = Field(None, description="Instead, after the longest wait.")
    on_full: NodeShape | None = Field(None, description="Instead, when the queue is full.")
    on_no_managers: NodeShape | None = Field(None, description="Instead, when nobody is at work.")
    after_talk: NodeShape | None = Field(
        None, description="When the manager hung up and the caller is still there."
    )


class HoursShape(Shape):
    """Branches on a schedule."""

    hours: Name = Field(description="The schedule.")
    open: NodeShape = Field(description="During opening hours.")
    closed: NodeShape = Field(description="Outside of them.")
    holiday: NodeShape | None = Field(None, description="On holidays; default: as `closed`.")


class SetShape(Shape):
    """Sets variables of this caller; `language` changes the prompts' language."""

    set: dict[Variable, Label] = Field(min_length=1, description="Variables and their values.")
    then: NodeShape | None = Field(None, description="The next step; default: the call ends.")


class NeedSkillShape(Shape):
    """Adds skills the manager must have, for every queue that follows."""

    need_skill: Skills = Field(min_length=1, description="Skills with levels: `{german: 2}`.")
    then: NodeShape | None = Field(None, description="The next step; default: the call ends.")


class BranchShape(Shape):
    """Goes on by a variable's value."""

    branch: Variable = Field(description="The variable.")
    cases: dict[Label, NodeShape] = Field(min_length=1, description="Value to step.")
    otherwise: NodeShape | None = Field(
        None, description="For any other value; default: the call ends."
    )


class GotoShape(Shape):
    """Goes on in a menu; the bare name does the same."""

    goto: MenuOrStep = Field(description="The menu, or the id of a step inside one: `service/2`.")


class CallOutShape(Shape):
    """Calls an outside number and joins the caller with it."""

    call_out: PhoneNumber = Field(description="The number; `settings.outside` must allow it.")
    ring_time: RingTime | None = Field(None, description="Default: `settings.ring_time`.")
    otherwise: NodeShape | None = Field(
        None, description="When it did not answer; default: the call ends."
    )


class VoicemailShape(Shape):
    """Records a message."""

    voicemail: Name = Field(description="The box: a folder of the recordings.")
    say: Say = Field(default_factory=list, description="What is said before.")
    max_length: RingTime = Field(120.0, description="Longest message.")
    silence: KeyTime = Field(3.0, description="So much silence ends it.")
    then: NodeShape | None = Field(None, description="The next step; default: the call ends.")


class CallbackShape(Shape):
    """Keeps the caller's number to be called back.  More: docs/callback.md."""

    callback: Annotated[Name | None, Field()] = Field(
        description="The queue that will call back: by itself where it has `callback`, else as a "
        "missed call; may be left empty."
    )
    confirm: Flag = Field(
        True,
        description="The caller hears the number and may type another, by digits; who calls "
        "without a number has to.",
    )
    retries: Times = Field(2, description="Further tries after silence or a wrong number.")
    say: Say = Field(default_factory=list, description="What is said when it is kept.")
    then: NodeShape | None = Field(None, description="The next step; default: the call ends.")
    otherwise: NodeShape | None = Field(
        None, description="When no try brought a number; default: as `then`."
    )


class HangUpShape(Shape):
    """Ends the call."""

    hangup: MaybeSay = Field(description="What is said before; may be left empty.")
    reject: Flag = Field(False, description="Refused before it is answered, nothing said.")


NODE_SHAPES: dict[str, type[Shape]] = {
    "menu": MenuShape,
    "play": PlayShape,
    "collect": CollectShape,
    "dial": DialShape,
    "dial_extension": DialExtensionShape,
    "queue": QueueStepShape,
    "hours": HoursShape,
    "set": SetShape,
    "need_skill": NeedSkillShape,
    "branch": BranchShape,
    "goto": GotoShape,
    "call_out": CallOutShape,
    "voicemail": VoicemailShape,
    "callback": CallbackShape,
    "hangup": HangUpShape,
}


class Steps(RootModel[Annotated[list["NodeShape"], Field(min_length=1)]]):
    """Steps taken one after another; only the last may lead elsewhere."""


def kinds_in(value: dict[str, Any]) -> list[str]:
    """The kinds of step that a mapping names: exactly one, when it is right."""
    return [kind for kind in NODE_SHAPES if kind in value]


def _node_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return TAG + "word"
    if isinstance(value, list):
        return TAG + "steps"
    if isinstance(value, dict):
        kinds = kinds_in(value)
        return TAG + kinds[0] if len(kinds) == 1 else None
    return None


NodeShape = Annotated[
    Annotated[Word, Tag(TAG + "word")]
    | Annotated[Steps, Tag(TAG + "steps")]
    | Annotated[MenuShape, Tag(TAG + "menu")]
    | Annotated[PlayShape, Tag(TAG + "play")]
    | Annotated[CollectShape, Tag(TAG + "collect")]
    | Annotated[DialShape, Tag(TAG + "dial")]
    | Annotated[DialExtensionShape, Tag(TAG + "dial_extension")]
    | Annotated[QueueStepShape, Tag(TAG + "queue")]
    | Annotated[HoursShape, Tag(TAG + "hours")]
    | Annotated[SetShape, Tag(TAG + "set")]
    | Annotated[NeedSkillShape, Tag(TAG + "need_skill")]
    | Annotated[BranchShape, Tag(TAG + "branch")]
    | Annotated[GotoShape, Tag(TAG + "goto")]
    | Annotated[CallOutShape, Tag(TAG + "call_out")]
    | Annotated[VoicemailShape, Tag(TAG + "voicemail")]
    | Annotated[CallbackShape, Tag(TAG + "callback")]
    | Annotated[HangUpShape, Tag(TAG + "hangup")],
    Discriminator(_node_kind),
]

Steps.model_rebuild()
for _shape in NODE_SHAPES.values():
    _shape.model_rebuild()
