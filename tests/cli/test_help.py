"""Every command explains itself, and a shell completes it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pbx.cli import main

NOT_FOR_PROGRAMS = {("completion",), ("run",), ("schema",), ("reports",), ("web",)}
"""What prints nothing of its own, or JSON anyway."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_every_command_has_a_sentence_an_example_and_its_options_explained(
    path: tuple[str, ...],
) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found

    assert result.exit_code == 0
    assert "Example" in result.output
    unexplained = [
        one.name for one in command.params if isinstance(one, click.Option) and not one.help
    ]
    assert unexplained == []
    if len(path) == 1:
        assert "Exit codes: 0" in result.output
    examples = (command.help or "").partition("Example")[2].splitlines()[1:]
    for one in filter(str.isprintable, filter(None, examples)):
        assert f"\n  {one}\n" in result.output, "an example is to be typed as it stands"
    if path not in NOT_FOR_PROGRAMS:
        assert "--json" in result.output


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    program = tmp_path / "pbx"
    program.write_text(
        f"#!{sys.executable}\nfrom pbx.cli import main\nmain(prog_name='pbx')\n", encoding="utf-8"
    )
    program.chmod(0o755)
    script = CliRunner().invoke(main, ["completion", "bash"]).output
    asked = f"""
PATH={tmp_path}:$PATH
{script}
COMP_WORDS=(pbx gr) COMP_CWORD=1; _pbx_completion pbx; echo "${{COMPREPLY[@]}}"
COMPREPLY=()
COMP_WORDS=(pbx graph --fun) COMP_CWORD=2; _pbx_completion pbx; echo "${{COMPREPLY[@]}}"
"""
    environment = {"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.stdout.split() == ["graph", "--funnel"], done.stderr
