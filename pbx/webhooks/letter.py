"""Writes the mail that tells somebody of a voicemail or of a missed call.

House rules: names and numbers come from callers, so nothing of them reaches a header or the text
before all that can't be printed is gone: no line of a caller's is ever a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

import orjson

from pbx.webhooks.audio import NoAudio, TooLong, read_audio
from pbx.webhooks.kinds import EventKind
from pbx.webhooks.mail_target import MailTarget
from pbx.webhooks.outbox import Message
from pbx.webhooks.target import linked

LONGEST = 200
"""Characters of anything that a caller or a switch has named."""
# Every server takes 7 bits; not all of them do 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class _Words:
    """What a mail says, in one language."""

    voicemail: str
    missed: str
    who: str
    withheld: str
    company: str
    when: str
    box: str
    length: str
    queue: str
    owner: str
    calls: str
    listen: str
    call: str
    attached: str
    too_long: str
    gone: str
    day: str


_WORDS = {
    "ru": _Words(
        voicemail="Голосовое сообщение",
        missed="Пропущенный звонок",
        who="Кто",
        withheld="номер скрыт",
        company="Звонили на",
        when="Когда",
        box="Ящик",
        length="Длина",
        queue="Очередь",
        owner="Перезвонить",
        calls="Звонков",
        listen="Послушать",
        call="Номер звонка в журнале",
        attached="Запись приложена.",
        too_long="Запись слишком велика для письма, она здесь: {}",
        gone="Записи нет: файл удалён или не читается: {}",
        day="%d.%m.%Y %H:%M:%S",
    ),
    "en": _Words(
        voicemail="Voicemail",
        missed="Missed call",
        who="From",
        withheld="number withheld",
        company="Called",
        when="When",
        box="Box",
        length="Length",
        queue="Queue",
        owner="To call back",
        calls="Calls",
        listen="Listen",
        call="Call in the log",
        attached="The recording is attached.",
        too_long="The recording is too large for a mail, it is here: {}",
        gone="There is no recording, the file is gone or can't be read: {}",
        day="%Y-%m-%d %H:%M:%S",
    ),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, ready to be sent, and whom to."""

    recipients: tuple[str, ...]
    content: bytes


def letter(message: Message, target: MailTarget, sent_at: float) -> Letter:
    """The mail that tells of ``message``; ``sent_at``: seconds since the epoch.

    Reads the sound of a voicemail: blocking.
    """
    whole = orjson.loads(message.body)
    data = whole["data"]
    words = _WORDS.get(target.language or str(data.get("language") or "")[:2], _WORDS["en"])
    zone = target.zone or UTC
    at = datetime.fromisoformat(whole["timestamp"]).astimezone(zone)
    when = f"{at:{words.day}} ({zone})"
    to = target.to
    if message.kind == EventKind.VOICEMAIL_LEFT:
        to = target.boxes.get(str(data["box"]), target.to)

    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address("Voronka", addr_spec=target.sender)
    mail["To"] = [Address(addr_spec=one) for one in to]
    mail["Date"] = formatdate(sent_at)
    # The same whenever it is sent again, by which a server knows it.
    mail["Message-ID"] = f"<{message.event_id}@{target.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message.kind == EventKind.VOICEMAIL_LEFT:
        _voicemail(mail, data, words, when, target)
    else:
        _missed(mail, data, words, when)
    return Letter(to, mail.as_bytes())


def plain(value: object) -> str:
    """``value`` on one line, without what can't be printed, and not too long."""
    text = "".join(one if one.isprintable() else " " for one in str(value)[: 2 * LONGEST])
    return " ".join(text.split())[:LONGEST]


def _voicemail(
    mail: EmailMessage, data: Mapping[str, Any], words: _Words, when: str, target: MailTarget
) -> None:
    who, length = _who(data, words), _span(data["length_s"])
    mail["Subject"] = f"{words.voicemail}: {who}, {length}"
    sound, said = None, ""
    if target.audio_bytes:
        try:
            sound = read_audio(target.audio_dir, data["path"], target.audio_bytes)
            said = words.attached
        except TooLong:
            said = words.too_long.format(plain(data["path"]))
        except NoAudio:
            said = words.gone.format(plain(data["path"]))
    facts = (
        (words.who, who),
        (words.company, data["did"]),
        (words.when, when),
        (words.box, data["box"]),
        (words.length, length),
        (words.listen, linked(target.link, data) if target.link else None),
        (words.call, data["call_id"]),
    )
    mail.set_content(_text(facts, said))
    if sound is not None:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"voicemail-{data['call_id']}.wav")
        mail.add_attachment(sound, maintype="audio", subtype="wav", filename=name)


def _missed(mail: EmailMessage, data: Mapping[str, Any], words: _Words, when: str) -> None:
    who = _who(data, words)
    mail["Subject"] = f"{words.missed}: {who}"
    facts = (
        (words.who, who),
        (words.company, data["did"]),
        (words.when, when),
        (words.queue, data["queue"]),
        (words.owner, data["owner"]),
        (words.calls, data["calls"]),
        (words.call, data["last_call"]),
    )
    mail.set_content(_text(facts, ""))


def _text(facts: Iterable[tuple[str, object]], said: str) -> str:
    lines = [f"{name}: {plain(value)}" for name, value in facts if value not in (None, "")]
    return "\n".join((*lines, "", said) if said else lines) + "\n"


def _who(data: Mapping[str, Any], words: _Words) -> str:
    name, number = plain(data["name"] or ""), plain(data["number"] or "") or words.withheld
    return f"{name}, {number}" if name and name != number else number


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
