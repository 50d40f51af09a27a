"""Hostile callers on a real Asterisk: nothing but their own call happens."""

from __future__ import annotations

import asyncio

import pytest

from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.journal import port as journal
from routing import facts
from tests.asterisk.raw_sip import RawSip, header, raw_sip, request, status
from tests.world import DID, agent, plan, sales

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(180)]

OURS = DID.encode()[1:]
PWNED = "pwned"
SHELL = b"${SHELL(touch /tmp/" + PWNED.encode() + b")}"
EVENT = b"Event: Hangup"

#: From headers: names and numbers.
SENDERS = {
    "an expression as name": b'"' + SHELL + b'" <sip:+79161234567@127.0.0.2>',
    "an expression as number": b'"x" <sip:' + SHELL + b"@127.0.0.2>",
    "an expression of numbers": b'"$[1 + 1]" <sip:$[1+1]@127.0.0.2>',
    "quotes": b'"a\\"b\\\\" <sip:+7916\\"@127.0.0.2>',
    "a quote that is not closed": b'"Ivan <sip:+79161234567@127.0.0.2>',
    "folded": b'"Ivan\r\n Action: Originate" <sip:+79161234567@127.0.0.2>',
    "folded by a lone LF": b'"Ivan\n ' + EVENT + b'" <sip:+79161234567@127.0.0.2>',
    "a lone CR": b'"Ivan\r' + EVENT + b'" <sip:+79161234567@127.0.0.2>',
    "escaped line ends": b'"%0d%0a'
    + EVENT.replace(b" ", b"%20")
    + b'" <sip:+7916%0d%0aEvent:%20Hangup%0d%0aUniqueid:%201@127.0.0.2>',
    "escaped NUL": b'"a%00b" <sip:+7916%001@127.0.0.2>',
    "NUL": b'"a\x00b" <sip:+79161234567@127.0.0.2>',
    "control characters": b'"\x01\x1b[2J\x07\x7f" <sip:+79161234567@127.0.0.2>',
    "8 bit": b'"\xff\xfe\x80\xe9" <sip:+7916\xff@127.0.0.2>',
    "half of a letter": '"Ж'.encode()[:2] + b'" <sip:+79161234567@127.0.0.2>',
    "direction signs": '"\u202egnikcah\u2028" <sip:+79161234567@127.0.0.2>'.encode(),
    "a long name": b'"' + b"a" * 3000 + b'" <sip:+79161234567@127.0.0.2>',
    "a long number": b"<sip:+" + b"7" * 1200 + b"@127.0.0.2>",
    "devices": b'"PJSIP/anna&PJSIP/x" <sip:+7916&PJSIP,anna|x@127.0.0.2>',
    "applications": b'"System(id),n,Hangup()" <sip:System(id)@127.0.0.2>',
    "parameters": b"<sip:+79161234567;ext=${EXTEN};tag=1@127.0.0.2;user=phone>;x=<y>",
    "tel": b"<tel:+7-916-123;phone-context=+7%0d%0a>",
    "no user": b"<sip:127.0.0.2>",
    "an empty user": b'"" <sip:@127.0.0.2>',
    "no brackets": b"sip:+79161234567@127.0.0.2",
    "brackets in the name": b'"<sip:101@127.0.0.1>" <sip:+79161234567@127.0.0.2>',
    "anonymous": b'"Anonymous" <sip:anonymous@anonymous.invalid>',
    "a phone of ours": b'"Anna" <sip:anna@127.0.0.1>',
}

IDENTITY = b'"' + SHELL + b'\\"" <sip:101%0d%0a@127.0.0.1>'
#: Further headers.
HEADERS = {
    "identities": b"P-Asserted-Identity: %s\r\nRemote-Party-ID: %s;party=calling\r\n"
    % (IDENTITY, IDENTITY),
    "diversions": b"Diversion: %s;reason=\r\nHistory-Info: %s;index=1\r\n" % (IDENTITY, IDENTITY),
    "asterisk's own": b"X-Asterisk-AccountCode: 1\r\nAccountCode: %s\r\nX-VORONKA_SENT: 101\r\n"
    % SHELL,
    "long": b"X-Long: " + b"a" * 8000 + b"\r\n",
    "many": b"X-Many: 1\r\n" * 100,
    "a name only": b"Subject\r\n",
    "folded": b"Subject: a\r\n\tb\r\n c\r\n",
    "who is replaced": b"Replaces: 1;from-tag=1;to-tag=2\r\n",
    "who refers": b"Referred-By: <sip:anna@127.0.0.1>\r\n",
    "what is wanted": b"Require: \r\nAlert-Info: <http://127.0.0.1/>;info=x\r\n",
}

#: Request URIs: a number of ours with something more, and what only the dialplan may reach.
URIS = [
    *(OURS + more for more in (b"%00", b"%0aAction:x", b"${x}", b"*72", b"&PJSIP", b",1", b";x=1")),
    *(b"s", b"T", b"h", b"i", b"_X.", b"again", b"", b"voronka-call", b"9" * 200, b"\xff\xff"),
]


async def test_no_name_number_or_header_does_anything_but_its_own_call() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(20)) as phone,
        raw_sip("127.0.0.2", lab.trunk_port) as sip,
        engine_on(lab, company) as (engine, story),
    ):
        to = (lab.sip_host, lab.sip_port)
        uri = b"sip:%s@127.0.0.1" % OURS
        answered = 0
        for why, sender in SENDERS.items():
            got = await _call(sip, to, uri, sender=sender)
            assert got in (0, 200, 400), why
            answered += got == 200
        for why, more in HEADERS.items():
            got = await _call(sip, to, uri, headers=more)
            assert got in (0, 200, 400, 481), why
            answered += got == 200
        for user in URIS:
            assert await _call(sip, to, b"sip:%s@127.0.0.1" % user) in (0, 200, 400, 404, 484), user

        # Anna's phone rang for callers and nothing else, and shows digits and one line of text.
        await lab.nothing_left()
        assert {one.did for one in story.of(journal.CallStarted)} == {DID}
        assert answered >= 20
        assert {one.address for one in story.of(facts.LegStarted)} == {"PJSIP/anna"}
        for call in phone.calls():
            without = call.from_user in ("anonymous", "asterisk")
            assert without or set(call.from_user) <= set("0123456789+*#")
        for started in story.of(journal.CallStarted):
            assert started.name.isprintable()
            assert started.number_raw.isprintable()
        # Nothing dialled anywhere, nothing run, nobody confused, and the next caller is served.
        assert not [one for one in sip.replies if not one.startswith((b"SIP/2.0", b"BYE"))]
        assert not (lab.root / "tmp" / PWNED).exists()
        assert engine.failures == 0
        assert not engine.core.calls.by_id
        # What can't be read as SIP is dropped; a caller who can't be read as an address is served
        # without a number.  The log says so and nothing else.
        told = ("syntax error exception when parsing", "Failed to parse URI", "invalid UTF-8")
        strange = [line for line in lab.log_errors() if not any(one in line for one in told)]
        assert strange == []
        await Caller(lab, Dialling(OURS.decode(), talk_ms=300)).run(20)
        await lab.nothing_left()


async def _call(
    sip: RawSip, to: tuple[str, int], uri: bytes, *, sender: bytes = b"", headers: bytes = b""
) -> int:
    """Call, and hang up where somebody answers; the final status, 0 for none."""
    sender = sender or b'"Ivan" <sip:+79161234567@127.0.0.2>'
    call_id, invite = request(
        "INVITE", uri, sip.here, sender=sender, headers=headers, sdp=True, to=b"<sip:x@127.0.0.1>"
    )
    sip.send(invite, to)
    reply = await sip.final(call_id, deadline_s=1.0)
    same = {"call_id": call_id, "sender": sender, "to": header(reply, "To")}
    _, ack = request("ACK", uri, sip.here, **same)  # type: ignore[arg-type]
    if not reply:
        return 0
    sip.send(ack, to)
    if status(reply) == 200:
        _, bye = request("BYE", uri, sip.here, cseq=2, **same)  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        sip.send(bye, to)
        await sip.final(call_id, "BYE", deadline_s=2.0)
    return status(reply)
