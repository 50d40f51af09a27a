"""Whose day it is: managers' counters and the page's figures of today begin at local midnight."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo


def day_began(now: datetime, zone: tzinfo) -> datetime:
    """The midnight before ``now`` in ``zone``, UTC."""
    return datetime.combine(now.astimezone(zone).date(), time.min, zone).astimezone(UTC)


def day_ends(now: datetime, zone: tzinfo) -> datetime:
    """The midnight after ``now`` in ``zone``, UTC."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, zone).astimezone(UTC)
