"""``pbx report-mail``: the reports that come by mail."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pbx.cli.options import database_url, db_option, open_log
from pbx.cli.report import columns_of, plan_option, right_now


@click.command("report-mail")
@click.option("--now", "name", metavar="NAME", help="Send this one now, to its recipients.")
@click.option("--check", is_flag=True, help="Only say what is wrong with the file.")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="The file of mails (default: $VORONKA_REPORTS_FILE).",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@plan_option
@db_option
def report_mail(
    name: str | None,
    check: bool,
    file: Path | None,
    json_wanted: bool,
    plan: Path | None,
    db: str | None,
) -> None:
    """List the reports that are mailed, check their file, or send one by hand.

    The page's process sends them when they are due (docs/reports.md).

    Example: pbx report-mail --now sales-week
    """
    import asyncio

    from pbx.cli.output import told
    from pbx.errors import SettingsError
    from pbx.plan.load import load
    from pbx.settings import plan_path
    from pbx.web.report_mail.file import read_report_mails

    path = file or Path(os.environ.get("VORONKA_REPORTS_FILE", ""))
    if not path.name:
        raise SettingsError("no file of mails: --file, or VORONKA_REPORTS_FILE")
    mails = read_report_mails(path)
    known = {one.name: one for one in mails.mails}
    if name is None:
        lines = [
            f"{one.name}: every {one.schedule.every.value} at {one.schedule.at:%H:%M}, "
            f"to {', '.join(one.to)}"
            for one in mails.mails
        ]
        words = f"{path}: {len(known)} mails, nothing wrong"
        told(
            {"mails": list(known), "file": str(path)},
            words if check else "\n".join((*lines, words)),
            json_wanted,
        )
        return
    if name not in known:
        raise click.BadParameter(f"no mail {name!r}: {', '.join(known)}", param_hint="--now")
    from pbx.web.report_mail.letter import letter
    from pbx.webhooks.mail import hand_over
    from pbx.webhooks.sending import NotDelivered

    mail, now = known[name], right_now()
    written = letter(
        open_log(database_url(db)),
        columns_of(db),
        mail,
        load(plan or plan_path()),
        now,
        now,
        sender=mails.server.sender,
        url=os.environ.get("VORONKA_WEB_URL", "").rstrip("/"),
    )
    try:
        refused = asyncio.run(hand_over(mails.server, written, written.recipients))
    except NotDelivered as error:
        raise click.ClickException(f"{name} was not sent: {error}") from error
    told(
        {"sent": [one for one in mail.to if one not in refused], "refused": dict(refused)},
        f"{name}: sent to {len(mail.to) - len(refused)} of {len(mail.to)}",
        json_wanted,
    )
    if refused:
        raise SystemExit(1)
