"""``python -m pbx.web``: the page as ``pbx run`` starts it."""

from __future__ import annotations

import sys

import structlog

from pbx.engine.tuning import without_collections
from pbx.errors import PbxError
from pbx.settings import read_web_settings

_log = structlog.get_logger(__name__)


def main() -> int:
    """Exit code 1 when it can't be served; the engine's log says why, and it is tried again."""
    with without_collections():
        from pbx.web.serve import serve  # here: what it needs is slow to import
    try:
        serve(read_web_settings(), beside_engine=True)
    except (PbxError, OSError) as error:
        _log.error("web_not_served", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
