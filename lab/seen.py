"""What SIPp saw, call by call, read from its message traces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEADER = re.compile(
    r"^-{20,} (\d{4}-\d\d-\d\d)[ T\t](\d\d:\d\d:\d\d\.\d+)(?:[ \t]+\d+\.\d+)?\s*$", re.MULTILINE
)
_KIND = re.compile(r"^UDP message (sent|received)")


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message.  ``at``: seconds since the epoch; ``sent``: by us (SIPp)."""

    at: float
    sent: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0].strip()

    @property
    def method(self) -> str:
        """The request's method, or '' for a response."""
        line = self.first_line
        return "" if line.startswith("SIP/2.0") else line.partition(" ")[0]

    @property
    def status(self) -> int:
        """The response's status, or 0 for a request."""
        line = self.first_line
        return int(line.split()[1]) if line.startswith("SIP/2.0 ") else 0

    @property
    def of_method(self) -> str:
        """The method this message, request or response, belongs to (from CSeq)."""
        words = self.header("CSeq").split()
        return words[1] if len(words) > 1 else ""

    def header(self, name: str) -> str:
        found = re.search(rf"^{re.escape(name)}:[ \t]*(.*?)\r?$", self.text, re.MULTILINE | re.I)
        return found[1] if found else ""


@dataclass(slots=True)
class CallSeen:
    """One call as a SIPp saw it.  Times: seconds since the epoch, None when it didn't happen."""

    call_id: str
    messages: list[Message] = field(default_factory=list)
    invite_at: float | None = None
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    #: The final status of the INVITE (200, 486, 487 ...), 0 while there is none.
    status: int = 0
    #: "us", "them" or "" (not ended, or refused): who sent BYE or CANCEL.
    hung_up_by: str = ""
    acknowledged: bool = False
    cancelled: bool = False
    #: Reason header of the BYE or CANCEL: tells 'answered elsewhere' from a caller's hang-up.
    reason: str = ""
    from_user: str = ""
    from_name: str = ""
    to_user: str = ""
    #: Answer to our REFER (202), and the last NOTIFY's sipfrag about it ("SIP/2.0 200 OK").
    refer_status: int = 0
    transfer_result: str = ""

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    @property
    def answered(self) -> bool:
        """Picked up and the ACK seen: SIPp takes no command between the two."""
        return self.status == 200 and self.acknowledged

    @property
    def answered_elsewhere(self) -> bool:
        return self.cancelled and ("cause=200" in self.reason or "elsewhere" in self.reason)

    @property
    def ring_ms(self) -> float | None:
        """From 180 to the answer or the end."""
        end = self.answered_at or self.ended_at
        if self.ringing_at is None or end is None:
            return None
        return (end - self.ringing_at) * 1000

    @property
    def talk_ms(self) -> float | None:
        if self.answered_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.answered_at) * 1000

    @property
    def response_ms(self) -> float | None:
        """From INVITE to 200."""
        if self.answered_at is None or self.invite_at is None:
            return None
        return (self.answered_at - self.invite_at) * 1000

    def add(self, message: Message) -> None:
        self.messages.append(message)
        method, status, of_method = message.method, message.status, message.of_method
        if method == "INVITE":
            if self.invite_at is None:
                self.invite_at = message.at
                self.from_name, self.from_user = _address(message.header("From"))
                self.to_user = _user(message.first_line)
        elif method in ("BYE", "CANCEL"):
            if self.ended_at is None:
                self.hung_up_by = "us" if message.sent else "them"
                self.reason = message.header("Reason")
                if method == "BYE":
                    self.ended_at = message.at
            if method == "CANCEL":
                self.cancelled = True
        elif method == "ACK":
            self.acknowledged = True
        elif method == "NOTIFY":
            found = re.search(r"^SIP/2\.0 \d+ .*$", message.text.partition("\n")[2], re.MULTILINE)
            if found:
                self.transfer_result = found[0].strip()
        elif of_method == "INVITE" and status >= 180 and not self.status:
            if status < 200:
                if self.ringing_at is None:
                    self.ringing_at = message.at
            else:
                self.status = status
                if status < 300:
                    self.answered_at = message.at
                else:
                    self.ended_at = message.at
        elif of_method == "REFER" and status:
            self.refer_status = status


def _user(text: str) -> str:
    found = re.search(r"sips?:([^@;>\s]*)@", text)
    return found[1] if found else ""


def _address(header: str) -> tuple[str, str]:
    found = re.match(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<', header)
    name = ""
    if found:
        name = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    return name, _user(header)


class Trace:
    """Follows a SIPp's ``-trace_msg`` file: each ``read`` takes in what has been added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._calls: dict[str, CallSeen] = {}

    def read(self, *, to_the_end: bool = False) -> list[CallSeen]:
        """All calls so far in the order they began.

        The newest message is left for the next time unless it is surely whole.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except OSError:
            return list(self._calls.values())
        text = added.decode(errors="surrogateescape")
        starts = [found.start() for found in _HEADER.finditer(text)]
        if starts:
            end = len(text)
            if not to_the_end and not _is_whole(text[starts[-1] :]):
                end = starts[-1]
            for message in _messages(text[:end]):
                call_id = message.header("Call-ID")
                # Our own commands to a SIPp (lab.sipp) are no part of the call.
                if call_id and message.of_method != "MESSAGE":
                    self._calls.setdefault(call_id, CallSeen(call_id)).add(message)
            self._offset += len(text[:end].encode(errors="surrogateescape"))
        return list(self._calls.values())


def _is_whole(block: str) -> bool:
    found = re.search(r"[\[(](\d+)\]? bytes", block)
    body = block.partition(":\n\n")[2]
    return bool(found and len(body.encode(errors="surrogateescape")) >= int(found[1]))


def _messages(text: str) -> Iterator[Message]:
    from datetime import datetime

    headers = list(_HEADER.finditer(text))
    for index, header in enumerate(headers):
        end = headers[index + 1].start() if index + 1 < len(headers) else len(text)
        block = text[header.end() : end].lstrip("\n")
        kind = _KIND.match(block)
        if kind is None:
            continue
        # SIPp writes local time.
        at = datetime.fromisoformat(f"{header[1]}T{header[2]}").timestamp()
        raw = block.partition("\n\n")[2].encode(errors="surrogateescape")
        yield Message(at, kind[1] == "sent", raw.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class ShortCall:
    """One call of a load run: times in seconds since the epoch."""

    call_id: str
    invite_at: float
    answered_at: float | None
    ended_at: float | None
    status: int


def read_short(path: Path) -> list[ShortCall]:
    """Calls from a ``-trace_shortmsg`` file (one line a message), in the order they began."""
    calls: dict[str, dict[str, float]] = {}
    with path.open(errors="replace") as file:
        for line in file:
            fields = _short_fields(line)
            if fields is None:
                continue
            at, call_id, cseq, first = fields
            call = calls.setdefault(call_id, {})
            if first.startswith("INVITE "):
                call.setdefault("invite", at)
            elif first.startswith("SIP/2.0 ") and "INVITE" in cseq:
                status = int(first.split()[1])
                if status >= 200 and "status" not in call:
                    call["status"] = status
                    call["answered" if status < 300 else "ended"] = at
            elif first.startswith("BYE "):
                call.setdefault("ended", at)
    found = [
        ShortCall(
            call_id, call["invite"], call.get("answered"), call.get("ended"), int(call["status"])
        )
        if "status" in call
        else ShortCall(call_id, call["invite"], None, call.get("ended"), 0)
        for call_id, call in calls.items()
        if "invite" in call
    ]
    return sorted(found, key=lambda call: call.invite_at)


def _short_fields(line: str) -> tuple[float, str, str, str] | None:
    fields = line.rstrip("\n").split("\t")
    if len(fields) < 6:
        return None
    for index, word in enumerate(fields):
        if re.fullmatch(r"\d{9,}\.\d+", word):
            at = float(word)
            rest = [part for part in fields[index + 1 :] if part not in ("S", "R")]
            if len(rest) >= 3:
                return at, rest[0], rest[1], rest[2]
    return None


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` (0..1) of the values lie (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
