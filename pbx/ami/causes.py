"""Hangup causes as Asterisk 22 gives them, and what they mean for a leg.

Measured with SIPp phones on Asterisk 22 (tests/asterisk/test_switch.py):

====================================  =====  ==================
what the phone did                    Cause  disposition
====================================  =====  ==================
486 Busy Here, 600 Busy Everywhere    17     busy
603 Decline                           21     rejected
480, 408, rang until the time limit   19     no_answer
404 Not Found                         1      failed
503, no route, not registered         34, 3  failed
picked up when the caller was taken   26     answered_elsewhere
====================================  =====  ==================
"""

from __future__ import annotations

from routing.values import Disposition

BUSY = frozenset({17})
REJECTED = frozenset({21})
NO_ANSWER = frozenset({18, 19})
ELSEWHERE = 26
NORMAL = 16

NO_ANSWER_REASON = "3"
"""OriginateResponse's Reason when it rang until the time limit (AST_CONTROL_RINGING)."""
BUSY_REASON = "5"


def disposition(cause: int, *, picked_up: bool, ring_time_over: bool) -> Disposition:
    """What became of a leg that we did not stop and that never talked."""
    if picked_up:
        return Disposition.ANSWERED_ELSEWHERE if cause == ELSEWHERE else Disposition.FAILED
    if cause in BUSY:
        return Disposition.BUSY
    if cause in REJECTED:
        return Disposition.REJECTED
    if cause in NO_ANSWER or ring_time_over:
        return Disposition.NO_ANSWER
    return Disposition.FAILED
