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


def capture(digits: Sequence[tuple[int, str]], length_ms: int, take: int = 0) -> bytes:
    """A capture of ``length_ms``: silence, and each ``(at_ms, "12#")`` pressed from then on.

    ``take``: another one has other timestamps; a switch takes an event with the same timestamp for
    a repetition of the last one.
    """
    starts: list[tuple[int, int]] = []
    for at_ms, string in digits:
        for index, digit in enumerate(string):
            starts.append((at_ms + index * (DIGIT_MS + GAP_MS), _EVENTS[digit]))
    starts.sort()
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    sequence = 1 + take * 2_000
    base = take * 2_000 * _SAMPLES
    marker = True
    frame = 0
    frames = length_ms // 20
    while frame < frames:
        if starts and starts[0][0] <= frame * 20:
            _, event = starts.pop(0)
            packets = DIGIT_MS // 20
            for n in range(packets + 2):
                # The last packet is sent three times, with the end bit, as RFC 4733 wants it.
                end = n >= packets - 1
                duration = min(n + 1, packets) * _SAMPLES
                payload = struct.pack("!BBH", event, (0x80 if end else 0) | 10, duration)
                at = 1.0 + (frame + min(n, packets - 1)) * _FRAME_S
                rtp = _rtp(_EVENT, sequence, base + frame * _SAMPLES, payload, marker=n == 0)
                parts.append(_captured(at, rtp))
                sequence += 1
            frame += packets
            marker = True
            continue
        rtp = _rtp(_ALAW, sequence, base + frame * _SAMPLES, _SILENCE, marker=marker)
        parts.append(_captured(1.0 + frame * _FRAME_S, rtp))
        marker = False
        sequence += 1
        frame += 1
    return b"".join(parts)


def capture_file(
    folder: Path, digits: Sequence[tuple[int, str]], length_ms: int, take: int = 0
) -> Path:
    """The capture as a file in ``folder``, made once for each content."""
    key = hashlib.sha256(repr((list(digits), length_ms, take, "v2")).encode()).hexdigest()[:16]
    path = folder / f"media-{key}.pcap"
    _write_once(path, lambda: capture(digits, length_ms, take))
    return path


def tone_file(folder: Path) -> Path:
    """Two seconds of A-law silence for ``rtp_stream``, which repeats it without end."""
    path = folder / "media-silence.alaw"
    _write_once(path, lambda: _SILENCE * 100)
    return path


def _write_once(path: Path, make: Callable[[], bytes]) -> None:
    if path.exists():
        return
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(make())
    temporary.rename(path)
