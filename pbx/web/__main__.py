"""``python -m pbx.web``: the page as ``pbx run`` starts it."""

from __future__ import annotations

import sys

from pbx.errors import PbxError
from pbx.settings import read_web_settings
from pbx.web.serve import serve


def main() -> int:
    """Exit code 1, and the reason in one line, when it can't be served."""
    try:
        serve(read_web_settings(), beside_engine=True)
    except (PbxError, OSError) as error:
        print(f"pbx web: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
