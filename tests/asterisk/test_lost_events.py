"""Events that are lost between a real Asterisk and us: the truth is told in the end."""

from __future__ import annotations

import pytest

from lab.asterisk import AsteriskLab
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.ami.protocol import Headers
from pbx.switch import port
from routing.events import Joined, LegEnded
from tests.asterisk.adapter import Told, adapter, until
from tests.world import DID

pytestmark = pytest.mark.asterisk


class Sieve:
    """Loses events of a real Asterisk by their headers."""

    def __init__(self, told: Told, **headers: str) -> None:
        self._channels = told.switch.channels
        self._take = self._channels.take
        self._lost = headers
        self.lost = 0
        setattr(self._channels, "take", self._sieve)  # noqa: B010

    def _sieve(self, event: Headers) -> None:
        if all(event.get(name, "").startswith(value) for name, value in self._lost.items()):
            self.lost += 1
        else:
            self._take(event)

    def mend(self) -> None:
        setattr(self._channels, "take", self._take)  # noqa: B010


@pytest.mark.parametrize(
    ("lost", "told_at_last"),
    [
        ({"Event": "Newchannel", "Uniqueid": "voronka-leg"}, None),
        ({"Event": "Newstate", "Uniqueid": "voronka-leg"}, None),
        ({"Event": "BridgeEnter", "BridgeTechnology": "simple_bridge"}, Joined),
        ({"Event": "Hangup", "Uniqueid": "voronka-leg"}, LegEnded),
        ({"Event": "AsyncAGIStart"}, port.TalkOver),
    ],
)
async def test_what_was_lost_is_told_by_the_second_look(
    lost: Headers, told_at_last: type | None
) -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(300, 2500)),
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        sieve = Sieve(told, **lost)
        told.ring(call_id, "anna")
        if told_at_last is LegEnded:
            await told.wait(port.TalkOver)
        elif told_at_last is port.TalkOver:
            await told.wait(LegEnded)
        await until(lambda: sieve.lost >= (2 if told_at_last is Joined else 1))
        sieve.mend()
        keeping = told.switch.housekeeping
        await keeping.look()
        await keeping.look()
        if told_at_last is None:
            await told.wait(Joined)
            await told.wait(port.TalkOver)
        else:
            assert len(told.of(told_at_last)) == 1
            assert keeping.forgotten + keeping.repaired >= 1
        caller.hang_up()
        await told.wait(port.CallerGone)
        await until(lambda: not told.switch.channels.legs)
