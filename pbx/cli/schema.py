"""``pbx schema``: the plan's JSON Schema."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of a dial plan's files, for editors.

    An editor with a YAML language server completes and checks a plan with it while one types. The
    files of config/ name it in their first line: # yaml-language-server: $schema=...

    Example: pbx schema > voronka.schema.json
    """
    import orjson

    from pbx.plan.json_schema import schema as whole  # here: slow to import

    click.echo(orjson.dumps(whole(), option=orjson.OPT_INDENT_2).decode())
