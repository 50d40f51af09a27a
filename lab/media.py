"""Media files for SIPp: one RTP stream with real RFC 4733 digits at given moments.

SIPp replays a capture packet by packet, so one file holds all a caller sends in a call: a packet
every 20 ms (which also keeps the switch awake), in one sequence, with the digits in it as events.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

_FRAME_S = 0.02
_SAMPLES = 160  # 20 ms at 8 kHz
_ALAW = 8
_EVENT = 101
#: A-law silence.
_SILENCE = b"\xd5" * _SAMPLES
#: A-law of +4224 and -4224: loud, and far from full scale.
_HIGH, _LOW = b"\x85", b"\x05"
#: A digit's length; Asterisk's own minimum is 80 ms.
DIGIT_MS = 100
#: Between two digits of one string.
GAP_MS = 120
_EVENTS = {**{str(n): n for n in range(10)}, "*": 10, "#": 11}


def _rtp(kind: int, sequence: int, timestamp: int, payload: bytes, *, marker: bool) -> bytes:
    return (
        struct.pack(
            "!BBHII",
            0x80,
            (0x80 if marker else 0) | kind,
            sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            0x566F726F,
        )
        + payload
    )


def _event(event: int) -> list[bytes]:
    """A digit's packets, 20 ms each; the last is sent three times, with the end bit (RFC 4733)."""
    packets = DIGIT_MS // 20
    return [
        struct.pack(
            "!BBH",
            event,
            (0x80 if n >= packets - 1 else 0) | 10,
            min(n + 1, packets) * _SAMPLES,
        )
        for n in range(packets + 2)
    ]


def digit_packets(digit: str, port_from: int, port_to: int, press: int) -> list[bytes]:
    """UDP packets that press a digit in a running call, to be sent 20 ms apart by a raw socket.

    ``press``: counts the call's presses; each has a timestamp of its own, or the switch takes it
    for a repetition.
    """
    packets = []
    for n, payload in enumerate(_event(_EVENTS[digit])):
        sequence = 30_000 + press * 10 + n
        rtp = _rtp(_EVENT, sequence, (1_000_000 + press) * _SAMPLES, payload, marker=n == 0)
        packets.append(struct.pack("!HHHH", port_from, port_to, 8 + len(rtp), 0) + rtp)
    return packets


def _captured(at: float, rtp: bytes) -> bytes:
    udp = struct.pack("!HHHH", 40000, 40002, 8 + len(rtp), 0) + rtp
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1"
    )
    frame = b"\0" * 12 + b"\x08\0" + ip + udp
    seconds = int(at)
    return (
        struct.pack("<IIII", seconds, round((at - seconds) * 1e6), len(frame), len(frame)) + frame
    )


def _sound(tone_hz: int) -> bytes:
    """A frame of a square wave, which begins anew in each; 0 is silence."""
    if not tone_hz:
        return _SILENCE
    half = 4000 // tone_hz
    return ((_HIGH * half + _LOW * half) * _SAMPLES)[:_SAMPLES]


def capture(digits: Sequence[tuple[int, str]], length_ms: int, tone_hz: int = 0) -> bytes:
    """A capture of ``length_ms``: silence or a tone, and each ``(at_ms, "12#")`` pressed from then
    on."""
    sound = _sound(tone_hz)
    starts: list[tuple[int, int]] = []
    for at_ms, string in digits:
        for index, digit in enumerate(string):
            starts.append((at_ms + index * (DIGIT_MS + GAP_MS), _EVENTS[digit]))
    starts.sort()
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    sequence = 1
    marker = True
    frame = 0
    frames = length_ms // 20
    while frame < frames:
        if starts and starts[0][0] <= frame * 20:
            _, event = starts.pop(0)
            packets = DIGIT_MS // 20
            for n, payload in enumerate(_event(event)):
                at = 1.0 + (frame + min(n, packets - 1)) * _FRAME_S
                rtp = _rtp(_EVENT, sequence, frame * _SAMPLES, payload, marker=n == 0)
                parts.append(_captured(at, rtp))
                sequence += 1
            frame += packets
            marker = True
            continue
        rtp = _rtp(_ALAW, sequence, frame * _SAMPLES, sound, marker=marker)
        parts.append(_captured(1.0 + frame * _FRAME_S, rtp))
        marker = False
        sequence += 1
        frame += 1
    return b"".join(parts)


def capture_file(
    folder: Path, digits: Sequence[tuple[int, str]], length_ms: int, tone_hz: int = 0
) -> Path:
    """The capture as a file in ``folder``, made once for each content."""
    key = hashlib.sha256(repr((list(digits), length_ms, tone_hz, "v3")).encode()).hexdigest()[:16]
    path = folder / f"media-{key}.pcap"
    _write_once(path, lambda: capture(digits, length_ms, tone_hz))
    return path


def tone_file(folder: Path, tone_hz: int = 0) -> Path:
    """Two seconds of A-law silence, or of a tone, for ``rtp_stream``, which repeats it without
    end."""
    path = folder / f"media-tone-{tone_hz}.alaw"
    _write_once(path, lambda: _sound(tone_hz) * 100)
    return path


def _write_once(path: Path, make: Callable[[], bytes]) -> None:
    if path.exists():
        return
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(make())
    temporary.rename(path)
