"""What is said to callers in their holding bridges, without taking them out.

An announcement is a Local channel: one half plays, the other stands in the caller's bridge as its
announcer ([voronka-announce] in asterisk-conf/extensions.conf).  Whoever joins the caller takes
them out of that bridge, so the rest is heard by nobody, and is ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from pbx.ami.actions import announce
from pbx.ami.caller_scripts import playable
from pbx.ami.causes import NORMAL
from pbx.ami.channels import SAY_PREFIX, Act, CallerChannel
from pbx.ami.protocol import LOST, Headers
from pbx.errors import UnsafeValue
from pbx.switch import port
from routing.values import CallId

_log = structlog.get_logger(__name__)

OTHER_HALF = ".2"
"""Ends the Uniqueid of the half in the caller's bridge."""


@dataclass(slots=True)
class _Saying:
    call_id: CallId
    there: bool = False
    stopped: bool = False


class Announcers:
    """All announcements under way, at most one for each caller.  ``prefix``: of this run only."""

    def __init__(
        self,
        *,
        act: Act,
        tell: Callable[[port.SwitchEvent], None],
        resolve: port.PromptResolver,
        callers: Mapping[CallId, CallerChannel],
        prefix: str,
    ) -> None:
        self._act = act
        self._tell = tell
        self._resolve = resolve
        self._callers = callers
        self._prefix = f"{SAY_PREFIX}{prefix}"
        self._made = 0
        self._under_way: dict[str, _Saying] = {}

    # Commands ----------------------------------------------------------------------------

    def say(self, command: port.Announce) -> None:
        """Say it to the caller, if they wait in their bridge and nothing else is being said."""
        caller = self._callers.get(command.call_id)
        if caller is None:
            return
        if not caller.held or caller.todo or caller.released or caller.announcement:
            self._tell(port.AnnouncementOver(command.call_id))
            return
        sounds = [self._resolve(prompt, command.language) for prompt in command.prompts]
        self._made += 1
        mine = caller.announcement = f"{self._prefix}{self._made}"
        self._under_way[mine] = _Saying(command.call_id)
        self._begin(mine, command.call_id, sounds)

    def _begin(self, mine: str, call_id: CallId, sounds: Sequence[str]) -> None:
        def answered(reply: Headers | None) -> None:
            # Where the line broke we do not know; reconciling tells.
            if reply is not LOST and (reply is None or reply.get("Response") != "Success"):
                self.ended(mine)

        try:
            fields = announce(
                channel_id=mine,
                other_id=mine + OTHER_HALF,
                caller_channel_id=call_id,
                sounds=playable(sounds),
            )
            self._act("Originate", fields, answered)
        except UnsafeValue as error:
            _log.warning("unsafe_announcement", call_id=call_id, reason=str(error))
            self.ended(mine)

    def silence(self, caller: CallerChannel) -> None:
        """The caller has left the bridge: the rest is for nobody."""
        mine, caller.announcement = caller.announcement, ""
        saying = self._under_way.get(mine)
        if saying is not None:
            saying.stopped = True
            self._hang_up(mine)

    def _hang_up(self, unique_id: str) -> None:
        self._act("Hangup", (("Channel", unique_id), ("Cause", str(NORMAL))))

    # Events ------------------------------------------------------------------------------

    def new_channel(self, unique_id: str) -> None:
        """The half that plays is there."""
        if saying := self._under_way.get(unique_id):
            saying.there = True
            if saying.stopped:
                self._hang_up(unique_id)

    def originate_response(self, event: Headers) -> None:
        """It did not come about; where it had a channel, the Hangup tells."""
        unique_id = event.get("Uniqueid", "")
        saying = self._under_way.get(unique_id)
        if saying is not None and not saying.there and event["Response"] != "Success":
            self.ended(unique_id)

    def ended(self, unique_id: str) -> None:
        """All was said, or nothing more will be."""
        saying = self._under_way.pop(unique_id, None)
        if saying is None:
            return
        caller = self._callers.get(saying.call_id)
        if caller is not None and caller.announcement == unique_id:
            caller.announcement = ""
            self._tell(port.AnnouncementOver(saying.call_id))

    # After a time without a line -----------------------------------------------------------

    def known(self) -> set[str]:
        """The Uniqueids of the halves that play."""
        return set(self._under_way)

    def settled(self) -> set[str]:
        """``known`` without those that Asterisk may just be making."""
        return {unique_id for unique_id, saying in self._under_way.items() if saying.there}

    def owns(self, unique_id: str) -> bool:
        """Whether this is either half of an announcement of ours."""
        return unique_id.removesuffix(OTHER_HALF) in self._under_way
