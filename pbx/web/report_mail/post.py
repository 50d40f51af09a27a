"""Sends reports when they are due, beside the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Engine

from pbx.errors import PbxError
from pbx.plan.model import Plan
from pbx.reports.columns import ColumnStore
from pbx.web.metrics import MailResult
from pbx.web.report_mail import ledger
from pbx.web.report_mail.file import ReportMail, ReportMails
from pbx.web.report_mail.letter import letter
from pbx.webhooks.letter import Letter
from pbx.webhooks.mail import hand_over
from pbx.webhooks.sending import NotDelivered

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 15.0
"""How often it is looked for what is due, seconds."""
_FINAL = 500
"""From this status on a server means it for ever (RFC 5321)."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a mail is made of.  ``slowly``: runs what takes long beside the loop; ``count``: told
    what became of each."""

    read: Engine
    write: Engine
    store: ColumnStore
    plan: Callable[[], Plan]
    now: Callable[[], datetime]
    slowly: Callable[[Callable[[], Letter]], Awaitable[Letter]]
    url: str
    count: Callable[[MailResult], None]


class Post:
    """Of one file."""

    def __init__(self, mails: ReportMails, desk: Desk) -> None:
        self._mails = mails
        self._desk = desk

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for mail in self._mails.mails:
                try:
                    await self.look(mail)
                except PbxError as error:
                    _log.warning("report_mail_not_looked_at", mail=mail.name, reason=str(error))
                except Exception:
                    # One that can't be made is no reason not to send the others.
                    _log.exception("report_mail_not_looked_at", mail=mail.name)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, mail: ReportMail) -> None:
        """Send it if it is due.  Raises PbxError."""
        desk = self._desk
        now = desk.now()
        at = mail.schedule.last_due(now, ZoneInfo(desk.plan().time_zone))
        due = await asyncio.to_thread(ledger.take, desk.write, mail.name, at, now)
        if due is None:
            return
        try:
            written = await desk.slowly(lambda: self._letter(mail, at, now))
            wanted = [one for one in written.recipients if one not in due.settled]
            answers = await hand_over(self._mails.server, written, wanted)
        except NotDelivered as error:
            if error.refused:
                await asyncio.to_thread(ledger.refused, desk.write, due, str(error))
                desk.count("refused")
                _log.error("report_mail_refused", mail=mail.name, reason=str(error))
            else:
                await self._again(mail, due, str(error), ())
            return
        except Exception as error:
            await self._again(mail, due, str(error), ())
            raise
        never = [one for one, code in answers.items() if code >= _FINAL]
        later = [one for one, code in answers.items() if code < _FINAL]
        if later:
            settled = [one for one in wanted if one not in later]
            await self._again(mail, due, f"not taken yet for {', '.join(later)}", settled)
        elif never and len(never) == len(written.recipients):
            await asyncio.to_thread(ledger.refused, desk.write, due, "every recipient was refused")
            desk.count("refused")
            _log.error("report_mail_refused", mail=mail.name, recipients=never)
        else:
            await asyncio.to_thread(ledger.sent, desk.write, due, never)
            desk.count("sent")
            _log.info("report_mail_sent", mail=mail.name, due=at.isoformat(), refused=never)

    async def _again(
        self, mail: ReportMail, due: ledger.Due, reason: str, settled: list[str] | tuple[()]
    ) -> None:
        desk = self._desk
        more = await asyncio.to_thread(ledger.failed, desk.write, due, reason, desk.now(), settled)
        tell = _log.warning if more else _log.error
        desk.count("failed" if more else "given_up")
        event = "report_mail_failed" if more else "report_mail_given_up"
        tell(event, mail=mail.name, tries=due.tries, reason=reason)

    def _letter(self, mail: ReportMail, due: datetime, now: datetime) -> Letter:
        desk = self._desk
        return letter(
            desk.read,
            desk.store,
            mail,
            desk.plan(),
            due,
            now,
            sender=self._mails.server.sender,
            url=desk.url,
        )
