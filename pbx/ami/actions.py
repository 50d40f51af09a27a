"""Commands as AMI actions.  Everything that goes into one is data: ``encode`` is the one gate."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pbx.errors import UnsafeValue

Fields = Iterable[tuple[str, str]]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")
_ADDRESS = re.compile(
    r"(PJSIP/[A-Za-z0-9+_.@:/;=-]{1,200}|Local/[A-Za-z0-9]{1,64}@voronka-[a-z-]{1,40}(/n)?)\Z"
)
_CONTEXT = re.compile(r"voronka-[a-z-]{1,40}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9+_.@/:-]*\Z")
MAX_VALUE = 900
"""Asterisk cuts an AMI line at 1,024 bytes."""

PART, PARTS = 800, 4
"""Bytes of a list of sounds in one variable, and such variables (asterisk-conf/extensions.conf)."""


def encode(action: str, fields: Fields) -> bytes:
    """An action's bytes.

    Raises UnsafeValue for a control or line-separating character (a bare LF ends an AMI line,
    too), a header name that is none, a value too long for a line, and an Originate that leads
    anywhere but into our own dialplan.
    """
    fields = tuple(fields)
    if action == "Originate":
        _check_originate(fields)
    lines = [f"Action: {_checked('Action', action)}"]
    for name, value in fields:
        if not _NAME.match(name):
            raise UnsafeValue(f"{name!r} is no header name")
        lines.append(f"{name}: {_checked(name, value)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _check_originate(fields: Iterable[tuple[str, str]]) -> None:
    """Asterisk itself refuses only applications that start programs."""
    for name, value in fields:
        if name.lower() in ("application", "data"):
            raise UnsafeValue("Originate runs the dialplan, never an application")
        if name.lower() == "context" and not _CONTEXT.match(value):
            raise UnsafeValue(f"Originate into {value!r}, which is not ours")


def _checked(name: str, value: str) -> str:
    if value.isascii() and value.isprintable():
        characters, length = "", len(value)
    else:
        characters, length = value, len(value.encode())
    for character in characters:
        if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs"):
            raise UnsafeValue(f"{name}: control character U+{ord(character):04X}")
    if length > MAX_VALUE:
        raise UnsafeValue(f"{name}: longer than {MAX_VALUE} bytes")
    return value


def address(value: str) -> str:
    """A dial string: one channel technology, one address.  Raises UnsafeValue."""
    if not _ADDRESS.match(value):
        raise UnsafeValue(f"not a dial string: {value!r}")
    return value


def plain(value: str) -> str:
    """An id or a class name, where commas, quotes and dollars would mean something."""
    if not _PLAIN.match(value):
        raise UnsafeValue(f"not a plain word: {value!r}")
    return value


def caller_id(name: str, number: str) -> str:
    """``"name" <number>``: what would end the name or the number early is left out."""
    shown = "".join(
        c
        for c in name
        if unicodedata.category(c)[0] != "C"
        and unicodedata.category(c) not in ("Zl", "Zp")
        and c not in '"<>\\,'
    )
    digits = "".join(c for c in number if c in "0123456789+*#")
    return f'"{shown[:80].strip()}" <{digits[:40]}>'


def agi_quoted(value: str) -> str:
    """An argument of an AGI command, quoted as its parser wants it.

    Raises UnsafeValue for what Asterisk would evaluate in it.
    """
    if "${" in value or "$[" in value:
        raise UnsafeValue(f"an expression of the dialplan: {value!r}")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def keep_rescue(addresses: Iterable[str], ring_time_s: float, messages: str) -> Fields:
    """Leave in Asterisk's own database what [voronka-alone] does without an engine."""
    return (
        ("Channel", "Local/keep@voronka-lease/n"),
        ("Context", "voronka-lease"),
        ("Exten", "wait"),
        ("Priority", "1"),
        ("Timeout", "2000"),
        ("Async", "true"),
        ("Variable", f"VORONKA_KEEP_PHONES={'&'.join(address(one) for one in addresses)}"),
        ("Variable", f"VORONKA_KEEP_RING={max(1, round(ring_time_s))}"),
        ("Variable", f"VORONKA_KEEP_MESSAGES={plain(messages)}"),
    )


def _sounds(names: str) -> str:
    if "," in names:  # would begin another variable
        raise UnsafeValue(f"not a list of sounds: {names!r}")
    return names


def _parts(sounds: str) -> list[str]:
    """Sounds as variables that fit into a line each; put together again they are the same."""
    parts = [""] if sounds else []
    for name in re.findall("&?[^&]+", sounds):
        if len((parts[-1] + name).encode()) > PART:
            parts.append("")
        parts[-1] += name
    if len(parts) > PARTS:
        raise UnsafeValue("more sounds than the dialplan takes")
    return parts


def announce(*, channel_id: str, other_id: str, caller_channel_id: str, sounds: str) -> Fields:
    """Say ``sounds`` (names with & between) to a caller in a holding bridge: one half of a Local
    channel goes there, the other runs [voronka-announce]."""
    return (
        ("Channel", "Local/s@voronka-announcer/n"),
        ("ChannelId", plain(channel_id)),
        ("OtherChannelId", plain(other_id)),
        ("Context", "voronka-announce"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", "5000"),
        ("Async", "true"),
        ("Variable", f"VORONKA_CALL={plain(caller_channel_id)}"),
        ("Variable", f"VORONKA_SAY={_sounds(sounds)}"),
    )


def originate(
    *,
    channel_id: str,
    to: str,
    ring_time_s: float,
    caller: str,
    caller_channel_id: str,
    caller_channel: str,
    record_to: str = "",
    greeting: str = "",
) -> Fields:
    """Ring a device; who answers runs [voronka-agent]: takes the caller, or finds them taken.

    ``record_to``: the file of the talk as Asterisk sees it, without its suffix; "" for none.
    ``greeting`` (names with & between): the caller is a client yet to be called, and who answers
    runs [voronka-callback].
    """
    greet = [
        ("Variable", f"VORONKA_SAY{n}={part}") for n, part in enumerate(_parts(_sounds(greeting)))
    ]
    record = (("Variable", f"VORONKA_RECORD={plain(record_to)}"),) if record_to else ()
    return (
        ("Channel", address(to)),
        ("ChannelId", plain(channel_id)),
        ("Context", "voronka-callback" if greeting else "voronka-agent"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", str(max(1000, round(ring_time_s * 1000)))),
        ("CallerID", caller),
        ("Async", "true"),
        ("Variable", f"VORONKA_CALL={plain(caller_channel_id)}"),
        ("Variable", f"VORONKA_CALLER={plain(caller_channel)}"),
        ("Variable", "TRANSFER_CONTEXT=voronka-transfer"),
        *record,
        *greet,
    )


def call_client(
    *, channel_id: str, to: str, ring_time_s: float, caller: str, account: str, sounds: str
) -> Fields:
    """Call a client for a manager who waits; who answers runs [voronka-client].

    ``account``: the company's number, as [voronka-trunk] sets it for who calls.  ``sounds``: said
    first, "" for nothing.
    """
    return (
        ("Channel", address(to)),
        ("ChannelId", plain(channel_id)),
        ("Context", "voronka-client"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", str(max(1000, round(ring_time_s * 1000)))),
        ("CallerID", caller),
        ("Account", plain(account)),
        ("Async", "true"),
        ("Variable", f"VORONKA_SAY={_sounds(sounds)}"),
    )
