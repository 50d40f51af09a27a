"""Walks one caller through the menu tree: an event in, at most one awaited command out.

House rules:

- ``step`` never raises and never blocks, whatever event comes when.  An event that is not the
  one awaited changes nothing: it is news of a command that something else has overtaken.
- While the walk has not ended it awaits exactly one kind of event (``awaits``).
- Nodes passed without anything done by the caller are counted; at ``MAX_PASSED`` the call ends as
  failed, so not even a plan that slipped through the checks can go round for ever.  A wait in a
  queue does not set the count back: a queue that can't take callers returns them at once.
- A step is noted when it is decided (the key pressed, the prompt heard, the queue chosen), not
  when its node is reached; digits that look like a card's number are covered in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ivr import commands, events, nodes, phrases
from ivr.callback import Agreed, GivenUp, NumberTalk
from ivr.commands import HangUpCaller, Step, StepTaken
from ivr.masking import mask_cards
from ivr.nodes import NodeId, Prompt, Tree
from ivr.schedule import ScheduleState
from ivr.trail import MenuHistory, Trail
from ivr.variables import LANGUAGE, Variables
from routing.values import AgentId, Outcome, QueueId, ReturnReason, SkillNeed

MAX_PASSED = 1000
"""Nodes that may be passed without the caller doing anything."""

_DTMF = frozenset("0123456789*#ABCD")
_MAX_DETAIL = 160
_MAX_DIGITS = 40


class Walk:
    """One caller's way through ``tree``, beginning at ``entry`` with ``WalkStarted``.

    ``passed``: nodes that the caller passed before (led by an engine before this one): what they
    set and need holds.
    """

    __slots__ = (
        "_awaits",
        "_callbacks",
        "_commands",
        "_entry",
        "_menus",
        "_message_left",
        "_needs",
        "_node",
        "_number_talk",
        "_overflowed",
        "_passed",
        "_talked",
        "_target",
        "_trace",
        "_trail",
        "_tree",
        "_tries",
        "_variables",
    )

    def __init__(
        self,
        tree: Tree,
        entry: NodeId,
        *,
        language: str,
        variables: Mapping[str, str] | None = None,
        passed: Iterable[NodeId] = (),
    ) -> None:
        self._tree = tree
        self._node: nodes.Node | None = None
        self._awaits: type[events.Event] | None = events.WalkStarted
        self._entry = entry
        self._variables = Variables(language, variables or {})
        self._needs: dict[str, int] = {}
        self._trail = Trail()
        self._menus = MenuHistory()
        self._tries = 0
        self._passed = 0
        self._talked = False
        self._message_left = False
        self._overflowed = False
        self._callbacks: set[tuple[QueueId | None, str]] = set()
        self._number_talk: NumberTalk | None = None
        # The step in hand: where it goes on, what it has brought so far.
        self._target: NodeId | None = None
        self._commands: list[commands.Command] = []
        self._trace: list[StepTaken] = []
        for node_id in passed:
            match tree.get(node_id):
                case nodes.SetVariable(_, variable, value):
                    self._variables.set(variable, self._variables.fill(value))
                case nodes.NeedSkill(_, need):
                    self._need(need)
                case _:
                    pass

    # What others may look at -------------------------------------------------------------

    @property
    def current(self) -> NodeId | None:
        """The node the caller is at, or was at last; None before the first."""
        return self._node.node_id if self._node is not None else None

    @property
    def ended(self) -> bool:
        """Nothing more will be commanded."""
        return self._awaits is None

    @property
    def awaits(self) -> type[events.Event] | None:
        """The kind of event that the walk goes on with (besides a hang-up); None at the end."""
        return self._awaits

    @property
    def path(self) -> str:
        """The way so far, compact and bounded: ``main › 2 › sales``."""
        return str(self._trail)

    @property
    def language(self) -> str:
        """The language of the prompts."""
        return self._variables.language

    @property
    def variables(self) -> Mapping[str, str]:
        """The caller's variables, ``language`` among them (a copy)."""
        return self._variables.as_dict()

    @property
    def needs(self) -> tuple[SkillNeed, ...]:
        """The skills asked for so far."""
        return self._needs_and(())

    def leaves_by(self, key: str, queue_id: QueueId) -> bool:
        """Whether a caller who waits in this queue may leave it by this key."""
        node = self._node
        if not isinstance(node, nodes.ToQueue) or self._awaits is not events.CallerReturned:
            return False
        return node.queue_id == queue_id and key in node.keys

    # Going on ----------------------------------------------------------------------------

    def speak(self, language: str) -> bool:
        """The prompts' language from now on.  False: it can't be one, nothing changed."""
        return self._variables.set(LANGUAGE, language)

    def step(self, event: events.Event, now: datetime) -> Step:
        """Go on by ``event`` as far as the walk gets without another.

        ``now`` (aware) is what schedules are asked about, nothing else.
        """
        if isinstance(event, events.CallerHungUp):
            self._awaits = None
        sent = isinstance(event, events.SentTo) and self._awaits is events.CallerReturned
        if self._awaits is None or not (sent or isinstance(event, self._awaits)):
            return Step((), ())
        self._resume(event)
        while (target := self._target) is not None:
            self._target = None
            self._enter(target, now)
        step = Step(tuple(self._commands), tuple(self._trace))
        self._commands.clear()
        self._trace.clear()
        return step

    def _resume(self, event: events.Event) -> None:
        """The awaited event is here."""
        match event, self._node:
            case events.WalkStarted(), _:
                self._target = self._entry
            case events.DigitsPressed(), nodes.Menu() as menu:
                self._chosen(menu, event)
            case events.DigitsPressed(), nodes.CollectDigits() as collect:
                self._collected(collect, event)
            case events.DigitsPressed() | events.NumberChecked(), nodes.AskCallback() as node:
                self._about_number(node, event)
            case events.PlayFinished(ok), (nodes.Play() | nodes.AskCallback()) as node:
                self._go(node.next, "played" if ok else "could not be played")
            case events.PlayFinished(), nodes.Voicemail() as node:
                self._record(node)
            case events.PlayFinished(ok), nodes.HangUp():
                self._end("played" if ok else "could not be played")
            case events.MessageRecorded(_, length_s), nodes.Voicemail() as node:
                self._recorded(node, length_s)
            case events.SentTo(node_id), _:
                self._go(node_id, "sent on")
            case events.CallerReturned(reason, key), nodes.ToQueue() as node:
                self._back_from_queue(node, reason, key)
            case events.CallerReturned(reason), nodes.DialAgent() as node:
                rang = reason in (ReturnReason.NO_ANSWER, ReturnReason.MAX_WAIT)
                self._returned(reason, node.on_no_answer if rang else node.on_busy)
            case events.CallerReturned(reason), nodes.CallOut() as node:
                self._returned(reason, node.on_failure)

    def _enter(self, target: NodeId, now: datetime) -> None:
        """Do what ``target`` is for."""
        node = self._tree.get(target)
        if node is None:
            self._note(target, "missing", None, "there is no such node")
            self._hang_up(Outcome.FAILED)
            return
        self._node = node
        self._passed += 1
        if self._passed > MAX_PASSED:
            self._taken(f"{MAX_PASSED} nodes passed without input")
            self._hang_up(Outcome.FAILED)
            return
        self._trail.reached(node)
        match node:
            case nodes.Menu():
                self._menus.entered(node.node_id)
                self._tries = 0
                self._ask_key(node, ())
            case nodes.CollectDigits():
                self._tries = 0
                self._ask(node, (), node.max_digits)
            case nodes.Play():
                if not self._said(node.prompts):
                    self._go(node.next, "nothing to play")
            case nodes.Voicemail():
                if not self._said(node.prompts):
                    self._record(node)
            case nodes.AskCallback():
                self._ask_number(node)
            case nodes.Hours():
                self._by_schedule(node, now)
            case nodes.Branch():
                value = self._variables.get(node.variable)
                self._go(node.cases.get(value, node.default), f"{node.variable} = {value}")
            case nodes.SetVariable():
                self._set(node)
            case nodes.NeedSkill():
                self._need(node.need)
                self._go(node.next, f"{node.need.skill} from {self._needs[node.need.skill]}")
            case nodes.Goto():
                self._go(node.target, "")
            case nodes.ToQueue():
                self._taken(f"queue {node.queue_id}")
                needs = self._needs_and(node.needs)
                self._hand_over(commands.QueueCaller(node.queue_id, node.priority, needs))
            case nodes.DialAgent():
                self._dial(node)
            case nodes.CallOut():
                self._taken(f"call {node.number}")
                self._hand_over(commands.CallOutside(node.number, node.address, node.ring_time_s))
            case nodes.HangUp():
                # A refused call is not answered, so nothing can be said to it.
                if node.rejected or not self._said(node.prompts):
                    self._end("rejected" if node.rejected else "")

    # Menus and digits --------------------------------------------------------------------

    def _chosen(self, menu: nodes.Menu, event: events.DigitsPressed) -> None:
        # A lone # ends an input of several digits before it began: it is the key itself.
        digits = event.digits or ("#" if event.terminated else "")
        if not digits:
            self._once_more(menu, "timeout", "", menu.timeout_prompts, menu.on_timeout)
            return
        self._passed = 0
        target = menu.keys.get(digits)
        if target is None:
            self._once_more(menu, "invalid", digits, menu.invalid_prompts, menu.on_invalid)
            return
        self._trail.pressed(digits)
        match target:
            case nodes.REPEAT:
                self._tries = 0
                self._taken(f"key {digits} → repeat", digits)
                self._ask_key(menu, ())
                return
            case nodes.BACK:
                target = self._menus.back(menu.node_id)
                self._taken(f"key {digits} → back → {target}", digits)
            case nodes.MAIN:
                target = self._menus.main(menu.node_id)
                self._taken(f"key {digits} → main → {target}", digits)
            case _:
                self._taken(f"key {digits} → {target}", digits)
        self._target = target

    def _collected(self, node: nodes.CollectDigits, event: events.DigitsPressed) -> None:
        digits = event.digits
        silent = not digits and not event.terminated
        if not silent:
            self._passed = 0
        numeric = not digits or (digits.isascii() and digits.isdigit())
        if numeric and node.min_digits <= len(digits) <= node.max_digits:
            self._variables.set(node.variable, digits)
            self._taken(f"{node.variable} → {node.next}", digits)
            self._target = node.next
            return
        why = "timeout" if silent else "invalid"
        self._once_more(node, why, digits, node.invalid_prompts, node.on_failure)

    def _once_more(
        self,
        node: nodes.Menu | nodes.CollectDigits,
        why: str,
        digits: str,
        prompts: tuple[Prompt, ...],
        give_up: NodeId,
    ) -> None:
        if self._tries >= node.retries:
            self._taken(f"{why}, no more tries → {give_up}", digits)
            self._target = give_up
            return
        self._tries += 1
        self._taken(f"{why}, try {self._tries + 1} of {node.retries + 1}", digits)
        if isinstance(node, nodes.Menu):
            self._ask_key(node, prompts)
        else:
            self._ask(node, prompts, node.max_digits)

    def _ask_key(self, menu: nodes.Menu, before: tuple[Prompt, ...]) -> None:
        self._ask(menu, before, max(map(len, menu.keys), default=1))

    def _ask(
        self, node: nodes.Menu | nodes.CollectDigits, before: tuple[Prompt, ...], longest: int
    ) -> None:
        # What was wrong is said in one command with the question: a key ends both, and there
        # is no gap in which one could get lost.
        self._await(
            events.DigitsPressed,
            commands.Collect(
                (*before, *node.prompts),
                self.language,
                max_digits=longest,
                timeout_s=node.timeout_s,
                inter_digit_s=node.inter_digit_s,
                barge_in=node.barge_in,
            ),
        )

    # Queues, managers, outside numbers ---------------------------------------------------

    def _dial(self, node: nodes.DialAgent) -> None:
        agent_id: AgentId | None = node.agent_id
        if agent_id is None:
            digits = self._variables.get(node.variable or "")
            agent_id = node.extensions.get(digits)
            if agent_id is None:
                self._go(node.on_unknown, f"nobody has extension {digits}")
                return
        self._taken(f"manager {agent_id}")
        self._hand_over(commands.CallAgent(agent_id, node.ring_time_s))

    def _hand_over(
        self, command: commands.QueueCaller | commands.CallAgent | commands.CallOutside
    ) -> None:
        self._await(events.CallerReturned, command)

    def _back_from_queue(self, node: nodes.ToQueue, reason: ReturnReason, key: str) -> None:
        if reason is ReturnReason.TALK_ENDED:
            self._returned(reason, node.after_talk)
        elif reason is ReturnReason.KEY and (target := node.keys.get(key)) is not None:
            self._passed = 0
            self._overflowed = True
            self._taken(f"key {key} → {target}", key)
            self._target = target
        else:
            self._overflowed = True
            self._returned(reason, node.overflow.get(reason.value, node.on_overflow))

    def _returned(self, reason: ReturnReason, target: NodeId | None) -> None:
        """Go on to ``target``; after a talk only a queue knows one."""
        if reason is ReturnReason.TALK_ENDED:
            self._talked = True
            self._passed = 0
            if not isinstance(self._node, nodes.ToQueue):
                target = None
        if target is None:
            self._end(_words(reason))
        else:
            self._go(target, _words(reason))

    # The other nodes ---------------------------------------------------------------------

    def _record(self, node: nodes.Voicemail) -> None:
        command = commands.RecordMessage(node.box, node.max_s, node.silence_s)
        self._await(events.MessageRecorded, command)

    def _recorded(self, node: nodes.Voicemail, length_s: float) -> None:
        if length_s > 0:
            self._message_left = True
            self._passed = 0
        self._go(node.next, f"message of {length_s:.0f} s" if length_s > 0 else "nothing said")

    def _ask_number(self, node: nodes.AskCallback) -> None:
        if node.confirm:
            self._number_talk = NumberTalk(node)
            self._await(events.NumberChecked, self._number_talk.begin())
        else:
            self._keep_callback(node, "", node.prompts)

    def _about_number(
        self, node: nodes.AskCallback, event: events.DigitsPressed | events.NumberChecked
    ) -> None:
        assert self._number_talk is not None, "begun when the node was entered"
        following: commands.Collect | commands.CheckNumber | Agreed | GivenUp
        if isinstance(event, events.NumberChecked):
            following = self._number_talk.checked(event, self.language)
        else:
            if event.digits or event.terminated:
                self._passed = 0
            self._taken("number", event.digits)
            following = self._number_talk.pressed(event, self.language)
        match following:
            case commands.Collect():
                self._await(events.DigitsPressed, following)
            case commands.CheckNumber():
                self._await(events.NumberChecked, following)
            case Agreed(number, waiting):
                said = (phrases.CALLBACK_WAITING,) if waiting else node.prompts
                self._keep_callback(node, number, said)
            case GivenUp():
                self._go(node.on_failure or node.next, "no number")

    def _keep_callback(
        self, node: nodes.AskCallback, number: str, prompts: tuple[Prompt, ...]
    ) -> None:
        # Asked for twice, the caller is still called back once.
        asked = (node.queue_id, number)
        if asked not in self._callbacks:
            self._callbacks.add(asked)
            self._commands.append(commands.KeepCallback(node.queue_id, number))
        if not self._said(prompts):
            self._go(node.next, "number kept")

    def _by_schedule(self, node: nodes.Hours, now: datetime) -> None:
        answer = node.schedule.answer(now)
        match answer.state:
            case ScheduleState.OPEN:
                self._go(node.open, f"open: {answer.why}")
            case ScheduleState.CLOSED:
                self._go(node.closed, f"closed: {answer.why}")
            case ScheduleState.HOLIDAY:
                self._go(node.on_holiday, f"closed: {answer.why}")

    def _set(self, node: nodes.SetVariable) -> None:
        value = self._variables.fill(node.value)
        if self._variables.set(node.variable, value):
            self._go(node.next, f"{node.variable} = {value}")
        else:
            self._go(node.next, f"{value} can't be the {node.variable}")

    def _need(self, need: SkillNeed) -> None:
        self._needs = {one.skill: one.min_level for one in self._needs_and((need,))}

    def _needs_and(self, more: tuple[SkillNeed, ...]) -> tuple[SkillNeed, ...]:
        """The caller's needs with ``more``; of two levels of a skill the higher."""
        needs = dict(self._needs)
        for need in more:
            needs[need.skill] = max(need.min_level, needs.get(need.skill, need.min_level))
        return tuple(SkillNeed(skill, level) for skill, level in needs.items())

    # Commands, trace, the end ------------------------------------------------------------

    def _said(self, prompts: tuple[Prompt, ...]) -> bool:
        """Have them played; False when there is nothing to play."""
        if prompts:
            self._await(events.PlayFinished, commands.PlayPrompts(prompts, self.language))
        return bool(prompts)

    def _await(self, event: type[events.Event], command: commands.Command) -> None:
        self._commands.append(command)
        self._awaits = event

    def _go(self, target: NodeId, why: str) -> None:
        """Note the step and go on to ``target``."""
        self._taken(f"{why} → {target}".strip())
        self._target = target

    def _taken(self, detail: str, digits: str | None = None) -> None:
        """Note a step of the node the caller is at."""
        self._note(self.current or "", type(self._node).__name__.lower(), digits, detail)

    def _note(self, node_id: NodeId, kind: str, digits: str | None, detail: str) -> None:
        if digits is not None:
            digits = mask_cards("".join(sign for sign in digits if sign in _DTMF))[:_MAX_DIGITS]
        self._trace.append(StepTaken(node_id, kind, digits, mask_cards(detail)[:_MAX_DETAIL]))

    def _end(self, why: str) -> None:
        self._taken(why)
        self._hang_up(self._outcome())

    def _hang_up(self, outcome: Outcome | None) -> None:
        self._commands.append(HangUpCaller(outcome))
        self._awaits = None

    def _outcome(self) -> Outcome | None:
        """What the walk made of the call: a talk outweighs a message, and that all else."""
        if self._talked:
            return None
        if self._message_left:
            return Outcome.VOICEMAIL
        if isinstance(self._node, nodes.HangUp) and self._node.rejected:
            return Outcome.REJECTED
        return Outcome.OVERFLOW if self._overflowed else None


def _words(reason: ReturnReason) -> str:
    return reason.value.replace("_", " ")
