"""A realistic minute of a shop's morning, on the shipped plan (config/): the demo's script."""

from __future__ import annotations

from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction, Script

FREE_LINE = "+78005553535"
MOSCOW = "+74951234567"
PETERSBURG = "+78121234567"


def _answers(after_s: float, talk_s: float | None = None) -> PhoneAct:
    return PhoneAct(Reaction.ANSWER, after_s, talk_s)


_BUSY = PhoneAct(Reaction.BUSY)
_SILENT = PhoneAct(Reaction.NO_ANSWER)
_OFF = PhoneAct(Reaction.UNREACHABLE)


def _rejects(after_s: float) -> PhoneAct:
    return PhoneAct(Reaction.REJECT, after_s)


PHONES: dict[str, tuple[PhoneAct, ...]] = {
    # Sales. Ivanov's desk phone is silent at first: his mobile takes over after its delay.
    "PJSIP/ivanov": (_SILENT, _answers(3.0, 9.0), _answers(2.0, 7.0)),
    "PJSIP/+79161234567@trunk": (_answers(1.5, 8.0),),
    "PJSIP/petrova": (_rejects(2.0), _answers(2.5, 11.0), _answers(2.0, 8.0)),
    "PJSIP/sidorov": (_BUSY, _answers(4.0, 6.0), _answers(1.5, 10.0)),
    # Support.
    "PJSIP/kuznetsova": (
        _answers(1.5, 9.0),
        _answers(2.0, 12.0),
        _rejects(1.0),
        _answers(2.0, 6.0),
    ),
    "PJSIP/smirnov": (_answers(3.0, 8.0),),
    "PJSIP/+79167654321@trunk": (_answers(2.0, 6.0),),
    "PJSIP/volkova": (_answers(2.0, 10.0),),
    # Accounting. Fedorov's phone is switched off.
    "PJSIP/orlova": (_answers(2.0, 7.0), _SILENT, _answers(1.0, 5.0)),
    "PJSIP/fedorov": (_OFF,),
}

CALLERS: tuple[CallerScript, ...] = (
    CallerScript("Ольга Ким", 0.0, FREE_LINE, "+79031112201", ("1",)),
    CallerScript("Support Ltd", 2.0, FREE_LINE, "+79031112202", ("2", "1")),
    CallerScript("Борис Лебедев", 4.0, FREE_LINE, "+79031112203", ("3",)),
    CallerScript("Нина", 6.0, FREE_LINE, "+79031112204", (), 1.0, HangUp(At.MENU, 2.5)),
    CallerScript("John Smith", 8.0, MOSCOW, "+442071234567", ("2", "1")),
    CallerScript("Павел Громов", 10.0, FREE_LINE, "+79031112206", ("1",)),
    CallerScript("Зоя", 12.0, FREE_LINE, "+79031112207", ("4", "101")),
    CallerScript("", 14.0, FREE_LINE, "anonymous", ("2", "2")),
    CallerScript("Тимур", 17.0, FREE_LINE, "+79031112209", ("1",), 1.0, HangUp(At.WAITING, 1.5)),
    CallerScript("Алла", 20.0, MOSCOW, "+79031112210", ("1", "1")),
    CallerScript("Глеб", 23.0, FREE_LINE, "+79031112211", ("3",), 1.0, HangUp(At.WAITING, 14.0)),
    CallerScript("Support Ltd", 26.0, FREE_LINE, "+79031112202", ("2", "3", "1")),
    CallerScript("Roman", 29.0, FREE_LINE, "+79031112212", ("1",), 1.0, HangUp(At.TALKING, 4.0)),
    CallerScript("Ирина", 33.0, FREE_LINE, "+79031112213", ("7", "1")),
    CallerScript("Ольга Ким", 36.0, FREE_LINE, "+79031112201", ("1",)),
    CallerScript("Mary Jones", 39.0, MOSCOW, "+442071234568", ("2", "2")),
    CallerScript("Лев", 42.0, FREE_LINE, "+79031112215", ("2", "3", "2")),
    CallerScript("Вера", 45.0, FREE_LINE, "+79031112216", ("1",)),
)

MORNING = Script(CALLERS, PHONES)
LENGTH_S = 60.0
"""How long the morning lasts, about, seconds."""
