"""``python -m pbx``: the command line, where no ``pbx`` is installed."""

from __future__ import annotations

from pbx.cli import main

if __name__ == "__main__":
    main(prog_name="pbx")
