"""SIPp as managers' phones, as the provider's side with mobiles behind it, and as callers.

A phone is told how to behave beforehand (``Answer``, ``Busy``, a sequence, a mixture) or, with
``Manual``, while it rings.  ``calls()`` tells what it saw, to the millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.asterisk import HOST, AsteriskLab, LabError
from lab.media import capture_file, digit_packets, tone_file
from lab.seen import CallSeen, ShortCall, Trace, percentile, read_short

# --- behaviours --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """Rings for ``after_ms``, answers, talks until the other side hangs up or for ``talk_ms``.

    ``transfer_to``: after ``talk_ms`` the phone sends the other side there (a blind transfer).
    """

    after_ms: int = 200
    talk_ms: int | None = None
    transfer_to: str | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuses with a status, after ringing for ``after_ms`` when that is not 0."""

    status: int = 603
    text: str = "Decline"
    after_ms: int = 0


def Busy(after_ms: int = 0) -> Refuse:  # noqa: N802 - reads as the other behaviours do
    return Refuse(486, "Busy Here", after_ms)


def Reject(after_ms: int = 0) -> Refuse:  # noqa: N802
    return Refuse(603, "Decline", after_ms)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Rings until the switch gives up (CANCEL)."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Takes the INVITE and says nothing at all: a dead line, a provider that hangs."""


@dataclass(frozen=True, slots=True)
class Manual:
    """Rings until told: ``phone.answer()``, ``phone.refuse()``; then ``phone.hang_up()``."""


Behaviour = Answer | Refuse | NoAnswer | Silent | Manual


@dataclass(frozen=True, slots=True)
class Turns:
    """One behaviour for each call in turn; afterwards the last again, or from the start."""

    steps: tuple[Behaviour, ...]
    cycle: bool = False


def in_turn(*steps: Behaviour, cycle: bool = False) -> Turns:
    """First call, second call ...: ``in_turn(Busy(), Answer())``."""
    return Turns(steps, cycle)


def mixture(shares: Sequence[tuple[float, Behaviour]], seed: int, length: int = 100) -> Turns:
    """Behaviours by chance with given shares; the same seed gives the same morning."""
    chance = random.Random(seed)
    kinds = [kind for _, kind in shares]
    weights = [share for share, _ in shares]
    return Turns(tuple(chance.choices(kinds, weights, k=length)), cycle=True)


Plan = Behaviour | Turns

# --- scenarios ---------------------------------------------------------------------------------

_SDP = """v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [{port}] RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""

_LAST = "[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]-[call_number]\n[last_Call-ID:]\n"
_IN_DIALOG = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n"
_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port]>\n"
_EMPTY = "Content-Length: 0\n"
_OK = f"SIP/2.0 200 OK\n{_IN_DIALOG}[last_CSeq:]\n{_EMPTY}"


def _send(text: str, attributes: str = "") -> str:
    return f"<send {attributes}><![CDATA[\n{text.strip()}\n\n]]></send>\n"


def _action(*actions: str) -> str:
    return f"<action>{''.join(actions)}</action>"


def _find(regexp: str, header: str, into: str) -> str:
    """Stores what the expression finds; several names: the whole, then each group."""
    where = f'search_in="hdr" header="{header}:"' if header else 'search_in="msg"'
    escaped = regexp.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<ereg regexp="{escaped}" {where} check_it="false" assign_to="{into}"/>'


def _jump(label: str) -> str:
    return f'<nop next="{label}"/>\n'


def _jump_if(label: str, flag: str, *actions: str) -> str:
    return f'<nop next="{label}" test="{flag}">{_action(*actions) if actions else ""}</nop>\n'


def _test(flag: str, variable: str, compare: str, value: int) -> str:
    return f'<test assign_to="{flag}" variable="{variable}" compare="{compare}" value="{value}"/>'


def _command() -> str:
    """Takes one of our own commands (see ``_Sipp._tell``) into $do and $target."""
    # Both headers are always there: a variable that finds nothing keeps its old value.
    return _action(_find("[a-z0-9]+", "X-Do", "do"), _find("[^ ]+", "X-Target", "target"))


def _if_told(label: str, what: str) -> str:
    compare = f'<strcmp assign_to="compared" variable="do" value="{what}"/>'
    return _jump_if(label, "hit", compare, _test("hit", "compared", "equal", 0))


def _document(name: str, text: str, shared: Sequence[str] = ()) -> str:
    # SIPp refuses variables that are set and never used.
    variables = {
        variable
        for names in re.findall(r'assign_to="([^"]*)"', text)
        for variable in names.split(",")
        if variable not in shared
    }
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        f'<scenario name="{name}">\n'
        + (f'<Global variables="{",".join(shared)}"/>\n' if shared else "")
        + text
        + f'<Reference variables="{",".join(sorted(variables))}"/>\n</scenario>\n'
    )


def _stream(media: Path | None) -> str:
    if media is None:
        return ""
    return f'<nop><action><exec rtp_stream="{media},-1,8"/></action></nop>\n'


class _CalledSide:
    """Writes the scenario of phones: dispatch by number and turn, then a block a behaviour."""

    def __init__(self, media: Path | None) -> None:
        self._media = media
        self._sdp = _SDP.format(port="rtpstream_audio_port" if media else "media_port")
        self._blocks: dict[Behaviour, str] = {}
        self._shared: list[str] = []

    def scenario(self, plans: Mapping[str, Plan] | Plan) -> str:
        text = (
            '<recv request="INVITE">'
            + _action(
                _find("sip:([^@ ]*)@", "", "x,number"),
                _find("<(sip:[^>]*)>", "Contact", "x,remote"),
                _find(" *(.*)", "From", "x,caller"),
                _find("<[^>]*>", "To", "own"),
                _find("[0-9]+", "CSeq", "invite_cseq"),
            )
            + "</recv>\n"
        )
        if isinstance(plans, Mapping):
            choices = ""
            for index, (number, plan) in enumerate(plans.items()):
                text += _jump_if(
                    f"number{index}",
                    "hit",
                    f'<strcmp assign_to="compared" variable="number" value="{number}"/>',
                    _test("hit", "compared", "equal", 0),
                )
                choices += f'<label id="number{index}"/>\n' + self._choose(plan, index)
            text += _jump(self._label(Refuse(404, "Not Found"))) + choices
        else:
            text += self._choose(plans, 0)
        for behaviour, label in self._blocks.items():
            text += f'<label id="{label}"/>\n' + self._block(behaviour, label)
        text += (
            '<label id="cancelled"/>\n'
            + _send(f"SIP/2.0 200 OK\n{_LAST}[last_CSeq:]\n{_EMPTY}")
            + _send(
                f"SIP/2.0 487 Request Terminated\n{_LAST}CSeq: [$invite_cseq] INVITE\n{_EMPTY}",
                'retrans="500"',
            )
            + '<recv request="ACK" next="end"/>\n'
            + '<label id="bye_in"/>\n'
            + _send(_OK)
            + '<label id="end"/>\n<timewait milliseconds="100"/>\n'
        )
        return _document("phones", text, self._shared)

    def _label(self, behaviour: Behaviour) -> str:
        return self._blocks.setdefault(behaviour, f"b{len(self._blocks)}")

    def _choose(self, plan: Plan, index: int) -> str:
        """Jumps to the block of this call's behaviour."""
        if not isinstance(plan, Turns):
            return _jump(self._label(plan))
        turn = f"turn{index}"
        self._shared.append(turn)
        text = f'<nop>{_action(f"""<add assign_to="{turn}" value="1"/>""")}</nop>\n'
        if plan.cycle:
            text += _jump_if(
                f"wrapped{index}",
                "hit",
                _test("hit", turn, "less_than_equal", len(plan.steps)),
            )
            text += f'<nop>{_action(f"""<assign assign_to="{turn}" value="1"/>""")}</nop>\n'
            text += f'<label id="wrapped{index}"/>\n'
        for number, step in enumerate(plan.steps[:-1], 1):
            text += _jump_if(self._label(step), "hit", _test("hit", turn, "equal", number))
        return text + _jump(self._label(plan.steps[-1]))

    def _ringing(self) -> str:
        return _send(f"SIP/2.0 180 Ringing\n{_LAST}[last_CSeq:]\n{_CONTACT}{_EMPTY}")

    def _block(self, behaviour: Behaviour, label: str) -> str:
        until_cancel = '<recv request="CANCEL" next="cancelled"/>\n'
        match behaviour:
            case Silent():
                return until_cancel
            case NoAnswer():
                return self._ringing() + until_cancel
            case Refuse(status, words, after_ms):
                text = ""
                if after_ms:
                    text = self._ringing() + (
                        f'<recv request="CANCEL" next="cancelled" timeout="{after_ms}" '
                        f'ontimeout="{label}no"/>\n<label id="{label}no"/>\n'
                    )
                return text + self._refuse(f"{status} {words}")
            case Manual():
                return (
                    self._ringing()
                    + '<recv request="CANCEL" next="cancelled" optional="true"/>\n'
                    + f'<recv request="MESSAGE">{_command()}</recv>\n'
                    + _if_told(f"{label}no", "refuse")
                    + self._talk(Answer(0), label)
                    + f'<label id="{label}no"/>\n'
                    + self._refuse("486 Busy Here")
                )
            case Answer(after_ms):
                text = self._ringing()
                if after_ms:
                    text += (
                        f'<recv request="CANCEL" next="cancelled" timeout="{after_ms}" '
                        f'ontimeout="{label}ok"/>\n<label id="{label}ok"/>\n'
                    )
                return text + self._talk(behaviour, label)

    def _refuse(self, status: str) -> str:
        return (
            _send(
                f"SIP/2.0 {status}\n{_LAST}CSeq: [$invite_cseq] INVITE\n{_EMPTY}", 'retrans="500"'
            )
            + '<recv request="ACK" next="end"/>\n'
        )

    def _talk(self, behaviour: Answer, label: str) -> str:
        # Built from stored headers: with Manual, the last message was our own command.
        accept = (
            f"SIP/2.0 200 OK\n{_LAST}CSeq: [$invite_cseq] INVITE\n{_CONTACT}"
            f"Content-Type: application/sdp\nContent-Length: [len]\n\n{self._sdp}"
        )
        timer = ""
        if behaviour.talk_ms is not None:
            timer = f' timeout="{behaviour.talk_ms}" ontimeout="{label}over"'
        after = f"{label}refer" if behaviour.transfer_to is not None else f"{label}bye"
        return (
            _send(accept, 'retrans="500"')
            # A CANCEL that crossed our answer is answered and has no effect.
            + f'<recv request="CANCEL" optional="true" next="{label}late"/>\n'
            + f'<recv request="ACK" next="{label}talk"/>\n'
            + f'<label id="{label}late"/>\n'
            + _send(f"SIP/2.0 200 OK\n{_LAST}[last_CSeq:]\n{_EMPTY}")
            + '<recv request="ACK"/>\n'
            + f'<label id="{label}talk"/>\n'
            + _stream(self._media)
            + f'<recv request="BYE" next="bye_in" optional="true"{timer}/>\n'
            + f'<recv request="MESSAGE"{timer}>'
            + _command()
            + "</recv>\n"
            + _if_told(f"{label}told", "transfer")
            + _jump(f"{label}bye")
            + f'<label id="{label}over"/>\n'
            + _jump(after)
            + f'<label id="{label}refer"/>\n'
            + f"<nop>{_action(self._assign('target', behaviour.transfer_to or ''))}</nop>\n"
            + f'<label id="{label}told"/>\n'
            + self._request(
                "REFER",
                10,
                "Refer-To: <sip:[$target]@[remote_ip]:[remote_port]>\nReferred-By: [$own]\n",
            )
            + '<recv response="100" optional="true"/>\n'
            + f'<recv response="202" next="{label}refered"/>\n'
            + f'<label id="{label}refered"/>\n'
            + f'<recv request="BYE" next="bye_in" timeout="500" ontimeout="{label}bye"/>\n'
            + f'<label id="{label}bye"/>\n'
            + self._request("BYE", 20)
            # A BYE that crossed ours.
            + '<recv request="BYE" optional="true" next="bye_in"/>\n'
            + '<recv response="481" optional="true" next="end"/>\n'
            + '<recv response="200" next="end"/>\n'
        )

    def _assign(self, variable: str, value: str) -> str:
        return f'<assignstr assign_to="{variable}" value="{value}"/>'

    def _request(self, method: str, cseq: int, more: str = "") -> str:
        # Seen from the called side, From and To change places.
        return _send(
            f"{method} [$remote] SIP/2.0\n"
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
            "From: [$own];tag=[pid]-[call_number]\nTo: [$caller]\n[last_Call-ID:]\n"
            f"CSeq: {cseq} {method}\n{_CONTACT}Max-Forwards: 70\n{more}{_EMPTY}",
            'retrans="500"',
        )


@dataclass(frozen=True, slots=True)
class Dialling:
    """What a caller does.  Times in milliseconds.

    ``digits``: ``(ms after the answer, "12#")``, sent as RFC 4733 events in the caller's own audio.
    ``talk_ms``: hangs up so long after the answer; None waits for the other side.
    ``cancel_ms``: gives up when there is no answer by then.
    """

    number: str
    from_number: str = "+79161234567"
    from_name: str = ""
    #: The From header as it is to be sent, but for its tag; instead of number and name.
    from_header: str = ""
    digits: Sequence[tuple[int, str]] = ()
    talk_ms: int | None = None
    cancel_ms: int | None = None
    #: Send audio at all: without, Asterisk reads commands only every 100 ms (ASTERISK.md).
    audio: bool = True
    #: What that audio is: a tone of this frequency, Hz; 0 is silence.
    tone_hz: int = 0
    #: Further headers, each line as it is to be sent.
    headers: Sequence[str] = ()


SETTLE_S = 0.1
MEDIA_PORTS = 4
"""Of one SIPp."""
INSIST = 20
"""How often a caller is told again to hang up."""
_REFUSALS = (400, 401, 403, 404, 408, 410, 480, 481, 484, 486, 487, 488, 500, 503, 600, 603)
_PRESSABLE = "0123456789*#"


def _calling_side(dialling: Dialling, folder: Path, *, load: bool, length_ms: int = 120_000) -> str:
    """The scenario of a caller.  A single one also takes commands (hang up, press) at any time."""
    interactive = not load
    stream = load and dialling.audio and not dialling.digits
    port = "rtpstream_audio_port" if stream else "media_port"
    # In SIPp's texts [ begins a keyword.
    name = dialling.from_name.replace("\\", "\\\\").replace('"', '\\"').replace("[", "\\[")
    quoted = f'"{name}" ' if name else ""
    whom = f"sip:{dialling.number}@[remote_ip]:[remote_port]"
    sender = dialling.from_header or (
        f"{quoted}<sip:{dialling.from_number}@[local_ip]:[local_port]>"
    )
    own = f"From: {sender};tag=[pid]-[call_number]\n"
    # A CANCEL has to carry the branch of its INVITE.
    invite_via = (
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-i-[pid]-[call_number]\n"
    )
    via = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
    more = "".join(f"{line}\n" for line in dialling.headers)
    text = _send(
        f"INVITE {whom} SIP/2.0\n{invite_via}{own}To: <{whom}>\nCall-ID: [call_id]\n"
        f"CSeq: 1 INVITE\n{_CONTACT}Max-Forwards: 70\n{more}Content-Type: application/sdp\n"
        f"Content-Length: [len]\n\n{_SDP.format(port=port)}",
        'retrans="500"',
    )
    timer = ""
    if dialling.cancel_ms is not None:
        timer = f' timeout="{dialling.cancel_ms}" ontimeout="give_up"'
    for status in (100, 180, 181, 183):
        text += f'<recv response="{status}" optional="true"{timer}/>\n'
    for status in _REFUSALS:
        text += f'<recv response="{status}" optional="true" next="refused"{timer}/>\n'
    if interactive:
        text += f'<recv request="MESSAGE" optional="true" next="give_up"{timer}/>\n'
    answer = _action(_find("<(sip:[^>]*)>", "Contact", "x,remote"), _find(" *(.*)", "To", "x,to"))
    text += f'<recv response="200"{timer}>{answer}</recv>\n'

    def request(method: str, cseq: int) -> str:
        return _send(
            f"{method} [$remote] SIP/2.0\n{via}{own}To: [$to]\nCall-ID: [call_id]\n"
            f"CSeq: {cseq} {method}\n{_CONTACT}Max-Forwards: 70\n{_EMPTY}",
            "" if method == "ACK" else 'retrans="500"',
        )

    text += request("ACK", 1)
    if stream:
        text += _stream(tone_file(folder, dialling.tone_hz))
    elif dialling.audio:
        text += _play(capture_file(folder, dialling.digits, length_ms, dialling.tone_hz))
    hang_up = ""
    if dialling.talk_ms is not None:
        hang_up = f' timeout="{dialling.talk_ms}" ontimeout="hang_up"'
    text += '<label id="talk"/>\n'
    if interactive:
        text += f'<recv request="BYE" optional="true" next="bye_in"{hang_up}/>\n'
        text += f'<recv request="MESSAGE"{hang_up}>{_command()}</recv>\n'
        text += _jump("hang_up")
    else:
        text += f'<recv request="BYE" next="bye_in"{hang_up}/>\n'
    text += (
        '<label id="hang_up"/>\n'
        + request("BYE", 2)
        + '<recv request="BYE" optional="true" next="bye_in"/>\n'
        + '<recv response="481" optional="true" next="end"/>\n'
        + '<recv response="200" next="end"/>\n'
        + '<label id="bye_in"/>\n'
        + _send(_OK)
        + _jump("end")
        + '<label id="refused"/>\n'
        + _send(
            f"ACK {whom} SIP/2.0\n[last_Via:]\n{own}[last_To:]\nCall-ID: [call_id]\n"
            f"CSeq: 1 ACK\nMax-Forwards: 70\n{_EMPTY}"
        )
        + _jump("end")
        + '<label id="give_up"/>\n'
        + _send(
            f"CANCEL {whom} SIP/2.0\n{invite_via}{own}To: <{whom}>\nCall-ID: [call_id]\n"
            f"CSeq: 1 CANCEL\nMax-Forwards: 70\n{_EMPTY}",
            'retrans="500"',
        )
        # Our CANCEL may cross the answer: then the INVITE's 200 stands before or after the CANCEL's
        # own, and only it has a Contact.  A CANCEL that came too late gets 481.
        + '<recv response="180" optional="true"/>\n'
        + '<recv response="481" optional="true" next="late"/>\n'
        + f'<recv response="200">{answer}</recv>\n'
        + '<recv response="180" optional="true"/>\n'
        + f'<recv response="200" optional="true" next="glare">{answer}</recv>\n'
        + '<recv response="481" optional="true" next="glare"/>\n'
        + '<recv response="487" next="refused"/>\n'
        + '<label id="late"/>\n'
        + f'<recv response="200">{answer}</recv>\n'
        + '<label id="glare"/>\n'
        + request("ACK", 1)
        + _jump("hang_up")
        + '<label id="end"/>\n<timewait milliseconds="50"/>\n'
    )
    return _document("caller", text)


def _play(path: Path) -> str:
    return f'<nop><action><exec play_pcap_audio="{path}"/></action></nop>\n'


# --- processes ---------------------------------------------------------------------------------


@cache
def _names_media_range(sipp: str) -> bool:
    """3.7 and newer are told the first and the last media port, those before the first alone."""
    told = subprocess.run([sipp, "-h"], capture_output=True, check=False, timeout=10)
    return b"-min_rtp_port" in told.stdout + told.stderr


def _media_options(sipp: str, first: int, count: int) -> tuple[str, ...]:
    if _names_media_range(sipp):
        return ("-min_rtp_port", str(first), "-max_rtp_port", str(first + count - 1))
    return ("-mp", str(first))


class _Sipp:
    """One SIPp process in a folder of its own, which goes away with it."""

    def __init__(self, lab: AsteriskLab, host: str, port: int = 0) -> None:
        self._lab = lab
        self.host = host
        self.port = port
        self._process: asyncio.subprocess.Process | None = None
        self._folder: Path | None = None
        self._trace: Trace | None = None
        self._last_calls: list[CallSeen] = []
        self._commands = 0
        self._presses = 0
        self._pressing: asyncio.Task[None] | None = None

    async def _launch(self, scenario: Callable[[Path], str], *options: str, short: bool) -> None:
        if self._process is not None and self._process.returncode is None:
            raise LabError("this SIPp is running already")
        sipp = shutil.which("sipp")
        if sipp is None:
            raise LabError("no sipp here: `./run setup` installs it (sip-tester)")
        self._folder = Path(tempfile.mkdtemp(prefix="voronka-sipp-"))
        file = self._folder / "scenario.xml"
        file.write_text(scenario(_media_folder()))
        trace = self._folder / "messages.log"
        self.port = self.port or self._lab.port()
        kind = "shortmsg" if short else "msg"
        name = "-shortmessage_file" if short else "-message_file"
        media = _media_options(sipp, self._lab.media_ports(MEDIA_PORTS), MEDIA_PORTS)
        with (self._folder / "output.log").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                sipp,
                f"{self._lab.sip_host}:{self._lab.sip_port}",
                "-sf", str(file),
                "-i", self.host, "-p", str(self.port), "-mi", self.host, *media,
                f"-trace_{kind}", name, str(trace),
                "-trace_err", "-error_file", str(self._folder / "errors.log"),
                "-nostdin", "-aa", "-skip_rlimit",
                *options,
                cwd=self._folder,
                env={**os.environ, "TERM": "dumb"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self._trace = None if short else Trace(trace)

    async def _listening(self, deadline_s: float = 5.0) -> None:
        """Waits until SIPp has its port (or has given up)."""
        wanted = f":{self.port:04X} "
        for _ in range(int(deadline_s / 0.02)):
            if wanted in _udp_ports():
                return
            if self._process is None or self._process.returncode is not None:
                break
            await asyncio.sleep(0.02)
        raise LabError(f"SIPp does not listen on {self.port}:\n{self.words()}")

    async def stop(self) -> None:
        """Ends the process; what it saw stays known."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(1):
                    await process.wait()
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                if not isinstance(error, TimeoutError):
                    self._tidy()
                    raise
                await process.wait()
        self._tidy()

    def _tidy(self) -> None:
        if self._folder is not None:
            if self._trace is not None:
                self._last_calls = self._trace.read(to_the_end=True)
                self._trace = None
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def calls(self) -> list[CallSeen]:
        """What this SIPp has seen so far, in the order the calls began."""
        if self._trace is not None:
            self._last_calls = self._trace.read()
        return self._last_calls

    def words(self) -> str:
        """SIPp's own complaints: unexpected messages, failed starts."""
        if self._folder is None:
            return ""
        text = ""
        for name in ("errors.log", "output.log"):
            with contextlib.suppress(OSError):
                lines = (self._folder / name).read_text(errors="replace").splitlines()
                text += "\n".join(lines[:60]) + "\n"
        return text

    async def wait_for(
        self, seen: Callable[[CallSeen], bool], deadline_s: float = 10.0, *, count: int = 1
    ) -> list[CallSeen]:
        """Waits until ``count`` calls are as wanted: ``wait_for(lambda c: c.answered)``."""
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    found = [call for call in self.calls() if seen(call)]
                    if len(found) >= count:
                        return found
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise LabError(
                f"not seen within {deadline_s:g} s; calls: "
                f"{[_summary(call) for call in self.calls()]}\n{self.words()}"
            ) from None

    def _tell(self, call: CallSeen, what: str, target: str = "-") -> None:
        """Gives SIPp a command in the only language it reads: a SIP message for that call."""
        self._commands += 1
        # Via, From, To and CSeq are those of the INVITE: SIPp copies them into what it sends next.
        invite = next(m for m in call.messages if m.method == "INVITE")
        copied = "".join(f"{name}: {invite.header(name)}\r\n" for name in ("Via", "From", "To"))
        message = (
            f"MESSAGE sip:sipp@{self.host} SIP/2.0\r\n{copied}Call-ID: {call.call_id}\r\n"
            f"CSeq: {9000 + self._commands} MESSAGE\r\nX-Do: {what}\r\n"
            f"X-Target: {target}\r\nContent-Length: 0\r\n\r\n"
        )
        # Right after a message SIPp is between two steps, and gives up a call when it is spoken to.
        pause = max(0.0, call.messages[-1].at + SETTLE_S - time.time())
        asyncio.get_running_loop().call_later(pause, self._send_to_sipp, message)

    def _send_to_sipp(self, message: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(), (self.host, self.port))

    def _last_open(self) -> CallSeen:
        for call in reversed(self.calls()):
            if not call.ended:
                return call
        raise LabError("there is no call")

    def press(self, digit: str) -> asyncio.Task[None]:
        """Presses one key now (RFC 4733); awaiting it waits until the key is released."""
        if len(digit) != 1 or digit not in _PRESSABLE:
            raise ValueError(f"one of {_PRESSABLE}, not {digit!r}")
        ours = their = 0
        for message in self._last_open().messages:
            found = re.search(r"^m=audio (\d+) ", message.text, re.MULTILINE)
            if found and message.sent:
                ours = int(found[1])
            elif found:
                their = int(found[1])
        if not their:
            raise LabError("there is nobody to hear the digit yet")
        self._presses += 1
        packets = digit_packets(digit, ours, their, self._presses)
        task = asyncio.get_running_loop().create_task(self._send_paced(packets))
        self._pressing = task
        return task

    async def _send_paced(self, packets: Sequence[bytes]) -> None:
        # SIPp crashes when a capture replaces a running one: so the digit is put beside its audio.
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.bind((self.host, 0))
            for packet in packets:
                raw.sendto(packet, (self._lab.sip_host, 0))
                await asyncio.sleep(0.02)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _complaints(text: str) -> str:
    """SIPp's error log without the timers that are part of our scenarios."""
    lines = re.sub(
        r"\d{4}-\d\d-\d\d\t\S+\t[\d.]+: Call-Id: \S+ receive timeout on message \S+ "
        r"jumping to label \d+?(?=\d{4}-\d\d-\d\d\t|\n|$)",
        "",
        text,
    )
    return lines.replace("The following events occurred:", "").strip()


def _udp_ports() -> str:
    return Path("/proc/net/udp").read_text()


def _summary(call: CallSeen) -> str:
    lines = ", ".join(("> " if m.sent else "< ") + m.first_line for m in call.messages)
    return f"{call.from_user} -> {call.to_user}: {lines}"


def _media_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / "voronka-media"
    folder.mkdir(exist_ok=True)
    return folder


class _Called(_Sipp):
    _plans: Mapping[str, Plan] | Plan
    _audio: bool
    _short: bool
    _tone_hz: int = 0

    async def start(self) -> None:
        await self._launch(
            lambda media: _CalledSide(
                tone_file(media, self._tone_hz) if self._audio else None
            ).scenario(self._plans),
            short=self._short,
        )  # fmt: skip
        await self._listening()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def behave(self, plan: Mapping[str, Plan] | Plan) -> None:
        """Another behaviour from now on; between calls only.  What was seen so far is forgotten."""
        await self.stop()
        self._plans = plan
        await self.start()

    def short_calls(self) -> list[ShortCall]:
        """With ``load=True``: each call's times."""
        if self._folder is None or not self._short:
            raise LabError("only while a phone with load=True runs")
        return read_short(self._folder / "messages.log")

    def answer(self) -> None:
        """``Manual``: picks up the newest call."""
        self._tell(self._last_open(), "answer")

    def refuse(self) -> None:
        """``Manual``: refuses the newest call (486)."""
        self._tell(self._last_open(), "refuse")

    def hang_up(self) -> None:
        """Ends the newest talk."""
        self._tell(self._last_open(), "hangup")

    def transfer(self, target: str) -> None:
        """Sends the other side of the newest talk to ``target`` (REFER, a blind transfer)."""
        self._tell(self._last_open(), "transfer", target)


class Phone(_Called):
    """A manager's desk phone: ``Phone(lab, "anna", Answer(after_ms=300))``.

    One that is unreachable is one that is not started.  ``load``: keeps only times (cheaper).
    ``tone_hz``: what it sends is a tone instead of silence.
    """

    def __init__(
        self,
        lab: AsteriskLab,
        name: str,
        plan: Plan = Answer(),
        *,
        audio: bool = True,
        load: bool = False,
        tone_hz: int = 0,
    ) -> None:
        super().__init__(lab, HOST, lab.phones[name].port)
        self.name = name
        self._plans = plan
        self._audio = audio
        self._tone_hz = tone_hz
        self._short = load


class TrunkPhones(_Called):
    """Mobiles and home phones behind the provider: a behaviour by number; other numbers get 404.

    ``TrunkPhones(lab, {"+79161112233": Answer(800), "+79164445566": NoAnswer()})``
    """

    def __init__(
        self,
        lab: AsteriskLab,
        plans: Mapping[str, Plan],
        *,
        audio: bool = True,
        load: bool = False,
        tone_hz: int = 0,
    ) -> None:
        super().__init__(lab, lab.trunk_host, lab.trunk_port)
        self._plans = dict(plans)
        self._audio = audio
        self._tone_hz = tone_hz
        self._short = load

    def calls_to(self, number: str) -> list[CallSeen]:
        return [call for call in self.calls() if call.to_user == number]


class Caller(_Sipp):
    """One caller through the trunk.

    ``result = await Caller(lab, Dialling("78005550100", digits=[(1500, "1")])).run()``, or step by
    step: ``start``, ``answered``, ``press``, ``hang_up``, ``ended``.
    """

    def __init__(self, lab: AsteriskLab, dialling: Dialling, *, host: str = "") -> None:
        super().__init__(lab, host or lab.trunk_host)
        self.dialling = dialling
        self._hanging_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._launch(
            lambda media: _calling_side(self.dialling, media, load=False),
            "-m", "1", "-r", "1", "-cid_str", f"{secrets.token_hex(6)}-%u",
            # What comes between two steps is not heard, instead of ending the call without a BYE.
            "-default_behaviors", "all,-abortunexp",
            short=False,
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    @property
    def seen(self) -> CallSeen:
        calls = self.calls()
        if not calls:
            raise LabError(f"the caller has not called yet\n{self.words()}")
        return calls[0]

    async def answered(self, deadline_s: float = 10.0) -> CallSeen:
        return (await self.wait_for(lambda call: call.answered, deadline_s))[0]

    async def ended(self, deadline_s: float = 60.0) -> CallSeen:
        """Waits for the end, stops SIPp and tells what it saw."""
        process = self._process
        if process is not None:
            try:
                async with asyncio.timeout(deadline_s):
                    await process.wait()
            except TimeoutError:
                story = [_summary(call) for call in self.calls()]
                words = self.words()
                await self.stop()
                raise LabError(f"call not over in {deadline_s:g} s: {story}\n{words}") from None
        words = self.words()
        await self.stop()
        if not self._last_calls:
            raise LabError(f"the caller has not called\n{words}")
        return self._last_calls[0]

    async def run(self, deadline_s: float = 60.0) -> CallSeen:
        """Calls, does as told, and returns when the call is over."""
        try:
            await self.start()
            return await self.ended(deadline_s)
        finally:
            await self.stop()

    def hang_up(self) -> None:
        """Hangs up now: BYE after the answer, CANCEL before."""
        self._tell(self.seen, "hangup")
        self._hanging_up = asyncio.get_running_loop().create_task(self._insist())

    async def _insist(self) -> None:
        """Tells it again while SIPp has not heard it."""
        for _ in range(INSIST):
            await asyncio.sleep(2 * SETTLE_S)
            if self._process is None or any(
                message.sent and message.method in ("BYE", "CANCEL")
                for message in self.seen.messages
            ):
                return
            self._tell(self.seen, "hangup")

    async def stop(self) -> None:
        """Ends the process; what it saw stays known."""
        if self._hanging_up is not None:
            self._hanging_up.cancel()
        await super().stop()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load run's callers saw."""

    calls: tuple[ShortCall, ...]
    wanted: int
    took_s: float
    complaints: str

    @property
    def answered(self) -> int:
        return sum(1 for call in self.calls if call.answered_at is not None)

    @property
    def failed(self) -> int:
        return self.wanted - self.answered

    def response_ms(self) -> list[float]:
        """INVITE to 200 OK of each answered call."""
        return [
            (call.answered_at - call.invite_at) * 1000
            for call in self.calls
            if call.answered_at is not None
        ]

    def response_percentile_ms(self, share: float) -> float:
        return percentile(self.response_ms(), share)


class Load(_Sipp):
    """Many equal callers: ``await Load(lab, Dialling(...), rate=50, calls=3000).run()``.

    They send audio as a shared stream (cheap), or as captures when there are digits to press.
    """

    def __init__(
        self,
        lab: AsteriskLab,
        dialling: Dialling,
        *,
        rate: float,
        calls: int,
        at_once: int = 10_000,
        host: str = "",
    ) -> None:
        super().__init__(lab, host or lab.trunk_host)
        self._dialling = dialling
        self._rate = rate
        self._wanted = calls
        self._at_once = at_once

    async def run(self, deadline_s: float | None = None) -> LoadResult:
        """Runs to the end; calls that are still up at the deadline count as they stand."""
        if deadline_s is None:
            deadline_s = self._wanted / self._rate + 60
        # A rate below one a second is that many calls in a longer period.
        period = 1000 if self._rate >= 1 else 10_000
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            await self._launch(
                lambda media: _calling_side(self._dialling, media, load=True),
                "-m", str(self._wanted), "-r", f"{self._rate * period / 1000:g}",
                "-rp", str(period), "-l", str(self._at_once),
                "-cid_str", f"{secrets.token_hex(4)}-%u",
                short=True,
            )  # fmt: skip
            assert self._process is not None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline_s):
                    await self._process.wait()
            assert self._folder is not None
            path = self._folder / "messages.log"
            if not path.exists():
                raise LabError(f"SIPp did not call:\n{self.words()}")
            errors = self._folder / "errors.log"
            complaints = _complaints(errors.read_text(errors="replace") if errors.exists() else "")
            found = tuple(read_short(path))
            return LoadResult(found, self._wanted, clock() - began, complaints)
        finally:
            await self.stop()
