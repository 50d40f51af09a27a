"""Hands mails to a server, by SMTP (RFC 5321)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Self

import aiosmtplib

from pbx.webhooks.letter import Letter, letter, plain
from pbx.webhooks.mail_target import MailTarget, Server
from pbx.webhooks.outbox import Message
from pbx.webhooks.sending import NotDelivered

ANSWER_S = 60.0
"""Longest time for a whole attempt, seconds: a message of some megabytes on a slow line."""
QUIT_S = 2.0
"""Longest time for a good-bye, seconds: the mail is on its way by then."""
ACCEPTED = 250
_PARTLY_MOST = 1000
"""Mails that only some of their recipients' servers took: so many are remembered."""


class Mail:
    """A way to a mail server; a connection of its own for each mail."""

    def __init__(self, target: MailTarget, *, answer_s: float = ANSWER_S) -> None:
        self._target = target
        self._answer_s = answer_s
        # Who has got a mail that others have not: they are not sent it again.
        self._had: dict[str, frozenset[str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send(self, message: Message) -> int:
        """Send it once to all who have not had it; gives the status.  Raises NotDelivered."""
        written = await asyncio.to_thread(letter, message, self._target, time.time())
        had = self._had.get(message.event_id, frozenset())
        wanted = [one for one in written.recipients if one not in had]
        refused = await hand_over(self._target, written, wanted, self._answer_s)
        self._had.pop(message.event_id, None)
        if refused:
            self._had[message.event_id] = had | (frozenset(wanted) - refused.keys())
            if len(self._had) > _PARTLY_MOST:
                del self._had[next(iter(self._had))]
            code = min(refused.values())
            raise NotDelivered(
                f"{len(refused)} of {len(written.recipients)} recipients refused, status {code}",
                refused=code >= 500,
                status=code,
            )
        return ACCEPTED


async def hand_over(
    server: Server | MailTarget,
    written: Letter,
    wanted: Sequence[str],
    answer_s: float = ANSWER_S,
) -> Mapping[str, int]:
    """Gives those recipients whom the server refused, with its status.  Raises NotDelivered."""
    user, password = server.login or (None, None)
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=None if user is None else user.encode(),
        password=None if password is None else password.encode(),
        timeout=answer_s,
        use_tls=server.tls == "implicit",
        start_tls=server.tls == "starttls",
        tls_context=server.context,
    )
    try:
        async with asyncio.timeout(answer_s):
            await _connect(client)
            refused = await _transact(client, server.sender, wanted, written.content)
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=QUIT_S)
    except TimeoutError:
        raise NotDelivered("no answer in time", refused=False) from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise NotDelivered(plain(f"{type(error).__name__}: {error}"), refused=False) from error
    finally:
        client.close()
    return refused


async def _connect(client: aiosmtplib.SMTP) -> None:
    try:
        await client.connect()
    except aiosmtplib.SMTPAuthenticationError as error:
        # Nothing of what the server says: it may repeat what it was told.
        raise NotDelivered(
            f"login refused, status {error.code}", refused=False, status=error.code
        ) from None
    except aiosmtplib.SMTPResponseException as error:
        # Whatever it says of us, it says nothing of this mail.
        raise NotDelivered(_said(error), refused=False, status=error.code) from error


async def _transact(
    client: aiosmtplib.SMTP, sender: str, wanted: Sequence[str], content: bytes
) -> Mapping[str, int]:
    try:
        refused, _ = await client.sendmail(sender, wanted, content)
    except aiosmtplib.SMTPRecipientsRefused as error:
        return {one.recipient: one.code for one in error.recipients}
    except aiosmtplib.SMTPResponseException as error:
        final = error.code >= 500
        raise NotDelivered(_said(error), refused=final, status=error.code) from error
    return {who: answer.code for who, answer in refused.items()}


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return plain(f"status {error.code}: {error.message}")
