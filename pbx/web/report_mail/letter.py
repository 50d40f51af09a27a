"""Writes the mail: figures, plots and a table as HTML, the whole table as an Excel file.

House rules: labels come from callers, partners and managers; in the HTML each is escaped, in
headers none stands.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import Engine

from pbx.plan.model import Plan
from pbx.reports.asked import AskedPeriod
from pbx.reports.columns import ColumnStore
from pbx.reports.report import report
from pbx.web.labels import Labels
from pbx.web.report_data import ask
from pbx.web.report_mail.file import ReportMail
from pbx.web.report_mail.pictures import pictures, there_is_matplotlib
from pbx.web.report_sheet import sheet
from pbx.web.report_view import Viewer, address
from pbx.web.texts import texts
from pbx.web.words import Words
from pbx.webhooks.letter import Letter

MOST_ROWS = 40
"""In the mail itself; the sheet has all."""
_POLICY = SMTP.clone(cte_type="7bit")
_XLSX = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def letter(
    log: Engine,
    store: ColumnStore,
    mail: ReportMail,
    plan: Plan,
    due: datetime,
    now: datetime,
    *,
    sender: str,
    url: str = "",
) -> Letter:
    """The mail that was due then.  ``url``: where the pages are, "" for no link.

    Raises ReportError, JournalError.
    """
    zone = ZoneInfo(plan.time_zone)
    t = texts(mail.language)
    words = Words(t.language, zone)
    labels = Labels(t, words, plan)
    agents = plan.routing.agents.items()
    departments = {str(key): one.department for key, one in agents if one.department}
    query = mail.asked.query(due, zone, departments)
    found = ask(log, store, mail.asked, query, now)
    # A link that shows the same next month, too.
    fixed = replace(
        mail.asked,
        period=AskedPeriod(
            "", _minute(query.period.since, zone), _minute(query.period.until, zone)
        ),
    )
    view = Viewer(fixed, labels, lambda name: t(f"reports.measure.{name}.means")).view(found)
    title = mail.title or t("reports.title")
    period = words.period(query.period.since, query.period.until)
    drawn = (
        [] if view.empty or not there_is_matplotlib() else pictures(view.plots, t("reports.before"))
    )
    values = {
        "t": t,
        "title": title,
        "period": period,
        "before": words.period(query.against.since, query.against.until)
        if query.compare and query.against is not None
        else "",
        "view": view,
        "by": len(mail.asked.by),
        "rows": view.rows[:MOST_ROWS],
        "more": view.more + max(0, len(view.rows) - MOST_ROWS),
        "pictures": range(len(drawn)),
        "drawable": there_is_matplotlib(),
        "link": f"{url}{address(fixed)}" if url else "",
    }
    written = EmailMessage(policy=_POLICY)
    written["From"] = Address("Voronka", addr_spec=sender)
    written["To"] = [Address(addr_spec=one) for one in mail.to]
    written["Subject"] = f"{title}: {period}".replace("\u00a0", " ")
    written["Date"] = formatdate(now.timestamp())
    # The same whenever it is sent again, by which a mail program knows it.
    domain = sender.partition("@")[2]
    written["Message-ID"] = f"<report.{mail.name}.{due:%Y%m%dT%H%M}@{domain}>"
    written["Auto-Submitted"] = "auto-generated"
    written.set_content(_environment.get_template("letter.txt").render(values))
    written.add_alternative(_environment.get_template("letter.html").render(values), subtype="html")
    html = written.get_payload(1)
    assert isinstance(html, EmailMessage)
    for place, picture in enumerate(drawn):
        html.add_related(
            picture, "image", "png", cid=f"<plot{place}@voronka>", disposition="inline"
        )
    whole = report(log, store, query, now)
    name = f"{mail.name}_{query.period.since.astimezone(zone):%Y-%m-%d}.xlsx"
    written.add_attachment(sheet(whole, labels, t), *_XLSX, filename=name)
    return Letter(mail.to, written.as_bytes())


def _minute(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"
