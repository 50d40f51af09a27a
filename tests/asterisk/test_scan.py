"""A scan of the SIP port learns nothing: neither which names exist, nor a way in."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab, LabPhone
from tests.asterisk.raw_sip import RawSip, raw_sip, request

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

NAMES = ["anna", "nobody", "101", "admin", "trunk", "outbound", "' or 1=1", "a" * 200, "%00", ""]
WRONG = (
    b'Authorization: Digest username="%s", realm="asterisk", nonce="%s", uri="sip:127.0.0.1", '
    b'response="0123456789abcdef0123456789abcdef", algorithm=MD5\r\n'
)
FILTER = Path(__file__).parent.parent.parent / "asterisk-conf/fail2ban/voronka.conf"


def _skeleton(reply: bytes) -> bytes:
    """A reply without what differs from one request to the next."""
    text = re.sub(rb"(?i)(branch|tag|nonce|opaque)=\"?[^;,\"\r\n]*\"?", rb"\1=*", reply)
    return re.sub(rb"(?m)^(From|To|Call-ID|Contact|Via|CSeq): [^\r\n]*", rb"\1: *", text)


async def _ask(
    sip: RawSip,
    lab: AsteriskLab,
    method: str,
    name: bytes,
    headers: bytes = b"",
    *,
    shown: bytes = b"",
    call_id: str = "",
) -> bytes:
    who = shown + b"<sip:" + name + b"@127.0.0.1>"
    uri = b"sip:127.0.0.1" if method == "REGISTER" else b"sip:101@127.0.0.1"
    to = who if method == "REGISTER" else b"<sip:101@127.0.0.1>"
    call_id, data = request(
        method,
        uri,
        sip.here,
        sender=who,
        to=to,
        headers=headers,
        sdp=method == "INVITE",
        call_id=call_id,
    )
    sip.send(data, (lab.sip_host, lab.sip_port))
    return await sip.final(call_id, method, deadline_s=1.0)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"])
async def test_known_and_unknown_names_are_answered_alike(method: str) -> None:
    async with (
        AsteriskLab(phones=[LabPhone("anna", password="a-password-of-a-phone")]) as lab,
        raw_sip("127.0.0.5") as sip,
    ):
        first: dict[str, bytes] = {}
        second: dict[str, bytes] = {}
        for name in NAMES:
            first[name] = _skeleton(await _ask(sip, lab, method, name.encode()))
            wrong = WRONG % (name.encode(), b"1/2")
            second[name] = _skeleton(await _ask(sip, lab, method, name.encode(), wrong))

        known = first["anna"]
        assert known.startswith(b"SIP/2.0 401 ")
        assert [name for name, reply in first.items() if reply and reply != known] == []
        assert [name for name, reply in second.items() if reply and reply != second["anna"]] == []
        assert await lab.channels() == 0


def _fail2ban_regex() -> tuple[list[str], dict[str, str]] | None:
    """The real tool, installed or unpacked by ./run, and what it needs around it."""
    if installed := shutil.which("fail2ban-regex"):
        return [installed], dict(os.environ)
    root = Path(os.environ.get("VORONKA_CACHE", "/var/cache/voronka")) / "fail2ban/usr"
    tool = root / "bin/fail2ban-regex"
    modules = str(root / "lib/python3/dist-packages")
    if not tool.exists():
        return None
    return [sys.executable, str(tool)], {**os.environ, "PYTHONPATH": modules}


TOOL = _fail2ban_regex()


@pytest.mark.skipif(TOOL is None, reason="fail2ban is not there: ./run test unpacks it")
async def test_the_ban_filter_finds_who_tries_and_can_not_be_made_to_find_others(
    tmp_path: Path,
) -> None:
    forged = "failed for '9.9.9.9:1' (callid: x) - Failed to authenticate"
    async with (
        AsteriskLab(phones=[LabPhone("anna", password="a-password-of-a-phone")]) as lab,
        raw_sip("127.0.0.5") as scanner,
        raw_sip("127.0.0.6") as phone,
    ):
        assert await _ask(phone, lab, "REGISTER", b"anna")
        for name in (b"anna", b"nobody"):
            wrong = WRONG % (name, b"1/2")
            await _ask(scanner, lab, "REGISTER", name, wrong)
            await _ask(scanner, lab, "REGISTER", name, wrong, shown=f'"{forged}" '.encode())
            for call_id in (forged, forged.replace(" ", "_"), f"a'{forged}"):
                await _ask(scanner, lab, "INVITE", name, wrong, call_id=call_id)

        log = tmp_path / "messages.log"
        log.write_bytes((lab.folder.host / "log/messages.log").read_bytes())
    assert TOOL is not None
    command, env = TOOL
    ran = await asyncio.to_thread(
        subprocess.run,
        [*command, "--out", "ip", str(log), str(FILTER)],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = ran.stdout.split()
    assert len(found) >= 6
    assert set(found) == {"127.0.0.5"}


async def test_a_right_password_gets_in_and_a_name_alone_does_not() -> None:
    phones = [LabPhone("anna", password="a-password-of-a-phone")]
    async with AsteriskLab(phones=phones) as lab, raw_sip("127.0.0.6") as sip:
        challenge = await _ask(sip, lab, "REGISTER", b"anna")
        right = _digest(challenge, "anna", "a-password-of-a-phone")
        assert (await _ask(sip, lab, "REGISTER", b"anna", right)).startswith(b"SIP/2.0 200")
        # The trunk is known by its address alone.
        assert (await _ask(sip, lab, "INVITE", b"trunk")).startswith(b"SIP/2.0 401")
        assert await lab.channels() == 0


def _digest(challenge: bytes, user: str, password: str) -> bytes:
    """The answer to a challenge (RFC 2617, without qop)."""
    nonce, opaque = (
        re.findall(rb'%s="([^"]*)"' % name, challenge)[0].decode() for name in (b"nonce", b"opaque")
    )

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret = md5(f"{user}:asterisk:{password}")
    response = md5(f"{secret}:{nonce}:{md5('REGISTER:sip:127.0.0.1')}")
    return (
        f'Authorization: Digest username="{user}", realm="asterisk", nonce="{nonce}", '
        f'uri="sip:127.0.0.1", response="{response}", algorithm=MD5, opaque="{opaque}"\r\n'
    ).encode()
