"""A funnel for other programs: JSON."""

from __future__ import annotations

import orjson

from pbx.funnel.report import FunnelReport


def as_json(found: FunnelReport) -> bytes:
    """The period, all together, and each group; times in UTC."""
    content = {
        "since": found.query.period.since,
        "until": found.query.period.until,
        "total": found.total,
        "groups": dict(found.groups),
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)
