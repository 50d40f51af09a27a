"""A call's story in words of the page's language, moment by moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pbx.journal.story import CallStory, LegRow, OfferRow, RecordingRow, StepRow, WaitRow
from pbx.journal.tables import LegKind
from pbx.web.names import Names
from pbx.web.texts import Texts
from pbx.web.words import phone, span

# Of what happened in the same instant, an end is told before what followed from it.
_BEGIN, _END, _AFTER_END, _STEP, _WAIT, _OFFER, _LEG, _LATE, _LAST = range(9)
_TO = " → "
_TONES = {
    "answered": "good",
    "joined": "good",
    "no_answer": "warn",
    "busy": "warn",
    "rejected": "bad",
    "refused": "bad",
    "failed": "bad",
}

# What the walk and the strategies note in the log, in English; others' words stay as they are.
_SAID: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("key", r"key (?P<keys>\S+)"),
        ("key_repeat", r"key (?P<keys>\S+) → repeat"),
        ("key_back", r"key (?P<keys>\S+) → back"),
        ("key_main", r"key (?P<keys>\S+) → main"),
        ("timeout_again", r"timeout, try (?P<try>\d+) of (?P<of>\d+)"),
        ("invalid_again", r"invalid, try (?P<try>\d+) of (?P<of>\d+)"),
        ("timeout_over", r"timeout, no more tries"),
        ("invalid_over", r"invalid, no more tries"),
        ("queue", r"queue (?P<queue>\S+)"),
        ("manager", r"manager (?P<agent>\S+)"),
        ("call", r"call (?P<number>\S+)"),
        ("open", r"open: (?P<why>.*)"),
        ("closed", r"closed: (?P<why>.*)"),
        ("message", r"message of (?P<n>\d+) s"),
        ("nothing_said", r"nothing said"),
        ("number", r"number"),
        ("number_kept", r"number kept"),
        ("no_number", r"no number"),
        ("nobody_there", r"nobody has extension (?P<digits>\S*)"),
        ("nothing_to_play", r"nothing to play"),
        ("max_wait", r"max wait"),
        ("queue_full", r"queue full"),
        ("no_agents", r"no agents"),
        ("busy", r"busy"),
        ("no_answer", r"no answer"),
        ("unavailable", r"unavailable"),
        ("talk_ended", r"talk ended"),
        ("failed", r"failed"),
        ("rejected", r"rejected"),
        ("paused", r"paused"),
        ("resumed", r"resumed"),
        ("estimate", r"(?P<said>\d+) s were announced, it took (?P<took>\d+) s"),
        ("not_in_plan", r"not in the plan"),
        ("name", r'name "(?P<name>.*)"'),
        ("language", r"language (?P<language>\S+)"),
        ("nothing_known", r"nothing known"),
        ("no_reply", r"no answer within (?P<ms>\d+) ms"),
        ("rests", r"the CRM did not answer (?P<n>\d+) times in a row"),
    )
)
_WHY: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("asked_for", r"asked for"),
        ("all_free", r"all who are free: (?P<n>\d+)"),
        ("next_after", r"next after (?P<agent>\S+)"),
        ("first_of_round", r"first of the round"),
        ("no_skill_asked", r"highest level: no skill asked for"),
        ("highest_level", r"highest level: (?P<levels>.+)"),
        ("share", r"by chance, share (?P<share>\d+)% of those free"),
        ("chance", r"by chance"),
        ("least_talk", r"least talk today: (?P<talk>\d+) s"),
        ("longest_idle", r"longest idle, of those free"),
        ("first_free", r"first of the list who is free"),
        ("fewest_calls", r"fewest calls today: (?P<n>\d+)"),
        ("talked_last", r"talked with this number last"),
        ("named", r"named by the CRM"),
    )
)
_USUAL_CAUSES = frozenset({"16 Normal Clearing", "stopped"})
"""Of a hang-up: they say no more than that it was one."""
_AWAY = {
    "last_is_away": re.compile(r"(?P<agent>\S+), who talked last, is not to be had; (?P<why>.+)"),
    "named_is_away": re.compile(
        r"(?P<agent>\S+), whom the CRM named, is not to be had; (?P<why>.+)"
    ),
}
_LOOKUP = re.compile(
    r"(?P<result>answered|late|broken|not asked)(?: after (?P<ms>\d+) ms)?: (?P<what>.*)"
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A manager who was not rung, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """A moment.  ``keys``: what was pressed.  ``chosen`` and ``left_out``: of an offer.

    ``node`` and ``to``: the menu's step and where it went on, by the plan's keys.
    ``leg``: whose row it is about.
    """

    at: datetime
    offset_s: float
    icon: str
    text: str
    tone: str = ""
    detail: str = ""
    node: str = ""
    keys: str = ""
    to: str = ""
    chosen: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    leg: str = ""


class Teller:
    """Tells calls in one language, with one plan's names."""

    def __init__(self, t: Texts, names: Names, day: Callable[[datetime], str]) -> None:
        self._t = t
        self._names = names
        self._day = day

    def moments(self, story: CallStory) -> list[Told]:
        """Everything that happened, in order."""
        found = list(self._all(story))
        found.sort(key=lambda one: (one[1].at, one[0]))
        return [told for _, told in found]

    def why(self, why: str) -> str:
        """Why a strategy chose somebody."""
        for key, pattern in _AWAY.items():
            if match := pattern.fullmatch(why):
                name = self._names.agent(match["agent"])
                return self._t(f"calls.why.{key}", name=name, why=self.why(match["why"]))
        return self._said("why", _WHY, why)

    def left_out(self, reason: str) -> str:
        """Why somebody was not rung."""
        return self._known(f"calls.left_out.{reason}", reason)

    def strategy(self, name: str) -> str:
        """What a strategy is called."""
        return self._known(f"calls.strategy.{name}", name)

    def disposition(self, name: str | None) -> str:
        """How a leg ended."""
        return self._known(f"calls.disposition.{name}", name or "") if name else ""

    def outcome(self, name: str | None) -> str:
        """How a call ended."""
        return self._t(f"calls.outcome.{name or 'in_progress'}")

    # The moments -------------------------------------------------------------------------

    def _all(self, story: CallStory) -> Iterator[tuple[int, Told]]:
        call, t = story.call, self._t
        began = call.started_at

        def told(
            rank: int, at: datetime, icon: str, words: str, **more: object
        ) -> tuple[int, Told]:
            offset_s = (at - began).total_seconds()
            return rank, Told(at, offset_s, icon, words, **more)  # type: ignore[arg-type]

        begin = t(
            f"calls.told.begins.{call.origin}",
            number=phone(call.number) if call.number else t("calls.withheld"),
            did=self._names.number(call.did),
        )
        icon = "phone-incoming" if call.origin == "client" else "phone-outgoing"
        yield told(_BEGIN, began, icon, begin)
        for step in story.steps:
            yield self._step(told, step)
        for wait in story.waits:
            yield from self._wait(told, wait)
        yield from self._offers(told, story.offers)
        for leg in story.legs:
            yield from self._leg(told, leg)
        for message in story.messages:
            words = t("calls.told.message", length=span(message.length_s), box=message.box)
            yield told(_STEP, message.at, "voicemail", words)
        for recording in story.recordings:
            yield from self._recording(told, recording)
        for asked in story.callbacks:
            number = phone(asked.number) if asked.number else t("calls.withheld")
            words = t("calls.told.callback", number=number)
            detail = self._names.queue(asked.queue)
            yield told(_STEP, asked.at, "phone-forwarded", words, detail=detail)
        if call.ended_at is not None:
            detail = "" if call.cause in _USUAL_CAUSES else call.cause or ""
            words = t("calls.told.ends", outcome=self.outcome(call.outcome))
            if call.short:
                words = t("calls.told.ends_short", outcome=self.outcome(call.outcome))
            yield told(_LAST, call.ended_at, "phone-off", words, detail=detail)

    def _step(self, told: _Maker, step: StepRow) -> tuple[int, Told]:
        kind = self._known(f"calls.step.{step.kind}", step.kind)
        if step.kind == "lookup":
            return told(_STEP, step.at, "circle-user", kind, detail=self._lookup(step.detail))
        head, _, to = step.detail.partition(_TO)
        if _TO in to:  # key 9 → back → main
            way, _, to = to.partition(_TO)
            head = f"{head}{_TO}{way}"
        elif to == "repeat":
            head, to = step.detail, ""
        head = head.removeprefix("→ ").strip()
        if step.detail.startswith("→ "):
            head, to = "", step.detail.removeprefix("→ ")
        detail = self._said("said", _SAID, head) if head else ""
        if step.kind == "recording":
            return told(_STEP, step.at, "headphones", kind, detail=detail)
        icon = {"hours": "clock", "voicemail": "voicemail", "toqueue": "hourglass"}.get(
            step.kind, "list-tree"
        )
        keys = step.digits or ""
        if keys:
            # The keys are shown as keys; that they were pressed need not be said again.
            detail = "" if head.startswith("key ") and _TO not in head else detail
        tone = "accent" if keys else ""
        return told(
            _STEP, step.at, icon, kind, node=step.node, detail=detail, keys=keys, to=to, tone=tone
        )

    def _lookup(self, detail: str) -> str:
        """What a CRM said, or why it did not."""
        match = _LOOKUP.fullmatch(detail)
        if match is None:
            return detail
        what = "; ".join(self._said("said", _SAID, one) for one in match["what"].split("; "))
        key = match["result"].replace(" ", "_")
        return self._t(f"calls.lookup.{key}", ms=match["ms"] or "0", what=what)

    def _wait(self, told: _Maker, wait: WaitRow) -> Iterator[tuple[int, Told]]:
        t, queue = self._t, self._names.queue(wait.queue)
        detail = t("calls.told.place", position=wait.position)
        if wait.priority:
            detail += " · " + t("calls.told.priority", priority=wait.priority)
        words = t("calls.told.waits", queue=queue)
        yield told(_WAIT, wait.started_at, "hourglass", words, detail=detail)
        if wait.ended_at is not None:
            rank = _LATE if wait.ended_at == wait.started_at else _AFTER_END
            words = t("calls.told.waited", queue=queue, length=span(wait.waited_s))
            reason = self._known(f"calls.wait_over.{wait.reason}", wait.reason or "")
            yield told(rank, wait.ended_at, "hourglass", words, detail=reason, tone="dim")

    def _offers(self, told: _Maker, offers: Iterable[OfferRow]) -> Iterator[tuple[int, Told]]:
        t = self._t
        ends: dict[str, OfferRow] = {}
        for offer in offers:
            yield told(
                _OFFER,
                offer.at,
                "users",
                t("calls.told.offer", strategy=self.strategy(offer.strategy)),
                detail=self.why(offer.why),
                chosen=tuple(map(self._names.agent, offer.chosen)),
                left_out=tuple(
                    LeftOut(self._names.agent(one.agent), self.left_out(one.reason))
                    for one in offer.left_out
                ),
            )
            if offer.ended_at is not None and offer.result:
                ends[offer.offer_id] = offer
        for offer in ends.values():
            assert offer.ended_at is not None
            result = self._known(f"calls.offer_over.{offer.result}", offer.result or "")
            words = t("calls.told.offer_over", result=result)
            yield told(_AFTER_END, offer.ended_at, "users", words, tone="dim")

    def _leg(self, told: _Maker, leg: LegRow) -> Iterator[tuple[int, Told]]:
        t = self._t
        if leg.kind in (LegKind.INBOUND, LegKind.BRIDGE):
            return  # told by the call's and the telephone's own moments
        if leg.kind == LegKind.TRANSFER:
            to = self._names.device(leg.address)
            words = t("calls.told.transfer", to=to)
            yield told(_STEP, leg.started_at, "phone-forwarded", words)
            return
        who, device = self.who(leg)
        mine = {"leg": leg.leg_id}
        if leg.rang_at is None:
            words = t("calls.told.called", who=who)
            yield told(_LEG, leg.started_at, "phone-outgoing", words, detail=device, **mine)
        else:
            words = t("calls.told.rings", who=who)
            yield told(_LATE, leg.rang_at, "phone-call", words, detail=device, **mine)
        if leg.joined_at is not None:
            words = t("calls.told.answers", who=who)
            yield told(_END, leg.joined_at, "phone", words, tone="good", **mine)
        if leg.ended_at is not None:
            result = self.disposition(leg.disposition)
            parts = [t("calls.told.rang", length=span(leg.ring_s))] if leg.ring_s else []
            if leg.talk_s:
                parts.append(t("calls.told.talked", length=span(leg.talk_s)))
            if leg.cause and leg.cause not in _USUAL_CAUSES:
                parts.append(leg.cause)
            words = t("calls.told.leg_over", who=who, result=result)
            rank = _LATE if leg.ended_at == leg.started_at else _END
            tone = "dim" if leg.joined_at else _TONES.get(leg.disposition or "", "dim")
            detail = " · ".join(parts)
            yield told(rank, leg.ended_at, "phone-off", words, detail=detail, tone=tone, **mine)

    def who(self, leg: LegRow) -> tuple[str, str]:
        """Whose telephone, and which."""
        device = self._names.device(leg.address)
        return (self._names.agent(leg.agent), device) if leg.agent else (device, "")

    def _recording(self, told: _Maker, row: RecordingRow) -> Iterator[tuple[int, Told]]:
        t = self._t
        if row.problem:
            words = t("calls.told.recording_failed")
            yield told(_LATE, row.started_at, "headphones", words, detail=row.problem, tone="bad")
            return
        yield told(_LATE, row.started_at, "headphones", t("calls.told.recorded"), tone="dim")
        if row.removed_at is not None:
            yield told(
                _LAST, row.removed_at, "trash-2", t("calls.told.recording_removed"), tone="dim"
            )
        elif row.length_s is not None:
            at = row.started_at + timedelta(seconds=row.length_s)
            words = t("calls.told.recording_kept", length=span(row.length_s))
            detail = t("calls.told.kept_until", day=self._day(row.keep_until))
            yield told(_LATE, at, "headphones", words, detail=detail, tone="dim")

    # Words -------------------------------------------------------------------------------

    def _known(self, key: str, otherwise: str) -> str:
        return self._t(key) if key in self._t.all else otherwise.replace("_", " ")

    def _said(self, group: str, patterns: Iterable[tuple[str, re.Pattern[str]]], words: str) -> str:
        for name, pattern in patterns:
            match = pattern.fullmatch(words)
            if match is None:
                continue
            values: dict[str, object] = dict(match.groupdict())
            if "agent" in values:
                values["agent"] = self._names.agent(match["agent"])
            if "queue" in values:
                values["queue"] = self._names.queue(match["queue"])
            if "n" in values:
                values["n"] = int(match["n"])
            if "talk" in values:
                values["talk"] = span(float(match["talk"]))
            return self._t(f"calls.{group}.{name}", **values)
        return words


_Maker = Callable[..., tuple[int, Told]]
