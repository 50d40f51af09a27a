"""The product's command line; each command is imported when it is called, so all start fast."""

from __future__ import annotations

import importlib
import inspect
import io
import sys
from typing import NoReturn

import click

from pbx.errors import PbxError

EXIT_CODES = (
    "Exit codes: 0 done, and fine; 1 no: findings, or an error told in one line; "
    "2 wrong options or arguments; 130 interrupted by Ctrl-C."
)
_INTERRUPTED = 130
"""As a shell says it of a program that SIGINT ended."""
_COMMANDS = {
    "call": "pbx.cli.call:call",
    "callbacks": "pbx.cli.callbacks:callbacks",
    "calls": "pbx.cli.calls:calls",
    "check": "pbx.cli.check:check",
    "click": "pbx.cli.click_to_call:click_to_call",
    "completion": "pbx.cli.completion:completion",
    "diff": "pbx.cli.diff:diff",
    "fmt": "pbx.cli.fmt:fmt",
    "funnel": "pbx.cli.funnel:funnel",
    "graph": "pbx.cli.graph:graph",
    "live": "pbx.cli.live:live",
    "missed": "pbx.cli.missed:missed",
    "pause": "pbx.cli.pause:pause",
    "recordings": "pbx.cli.recordings:recordings",
    "reload": "pbx.cli.reload:reload",
    "replay": "pbx.cli.replay:replay",
    "report": "pbx.cli.report:report",
    "report-mail": "pbx.cli.report_mail:report_mail",
    "reports": "pbx.cli.report:reports",
    "rollback": "pbx.cli.reload:rollback",
    "run": "pbx.cli.run:run",
    "schema": "pbx.cli.schema:schema",
    "simulate": "pbx.cli.simulate:simulate",
    "staff": "pbx.cli.staff:staff",
    "test": "pbx.cli.plan_test:test",
    "tokens": "pbx.cli.tokens:tokens",
    "try": "pbx.cli.try_call:try_call",
    "unpause": "pbx.cli.pause:unpause",
    "users": "pbx.cli.users:users",
    "version": "pbx.cli.version:version",
    "versions": "pbx.cli.diff:versions",
    "web": "pbx.cli.web:web",
    "webhooks": "pbx.cli.webhooks:webhooks",
}


def _keep_examples_whole(command: click.Command) -> None:
    """An example stands on a line of its own, as it is to be typed: click would fill paragraphs,
    and break words at their hyphens."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    for number, one in enumerate(paragraphs):
        if one.startswith("Example: "):
            paragraphs[number] = f"\b\nExample:\n  {' '.join(one.split()[1:])}"
    command.help = "\n\n".join(paragraphs)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _keep_examples_whole(below)


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, None for an unknown name."""
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        command.epilog = command.epilog or EXIT_CODES
        _keep_examples_whole(command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an error of ours is told in its own words, and the exit code is 1."""
        _print_anything()
        try:
            return super().invoke(ctx)
        except PbxError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            _interrupted(ctx)
        except click.Abort as error:
            # Who answers no, or whose input ends, has not interrupted anything.
            if isinstance(error.__context__, KeyboardInterrupt):
                _interrupted(ctx)
            raise


def _interrupted(ctx: click.Context) -> NoReturn:
    click.echo("\ninterrupted", err=True)
    ctx.exit(_INTERRUPTED)


def _print_anything() -> None:
    """A terminal that lacks a letter (Latin-1, KOI8-R) shows its number, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


@click.group(cls=LazyGroup)
def main() -> None:
    """Voronka: takes a company's calls and gives each to the right manager.

    Each command explains itself, with an example: pbx COMMAND --help.

    \b
    Example:
      pbx try +78005553535 --at 'fri 18:55'
    """
