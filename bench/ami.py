"""Events through the AMI layer, beside bare panoramisk: recorded calls as one byte stream."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from lab.engine import beep
from pbx.ami.protocol import WholeMessages
from pbx.ami.translate import MessageFolder
from tests.ami.bench import channels_of

RECORDED = Path("tests/recorded")
ROUNDS = 60
CHUNK = 1400
"""Bytes of a TCP segment."""


def stream() -> tuple[bytes, int]:
    """All recorded events, many times over, and how many they are."""
    blocks: list[bytes] = []
    for file in sorted(RECORDED.glob("*.jsonl")):
        for row in file.read_text(encoding="utf-8").splitlines()[:-1]:
            headers = json.loads(row)
            del headers["at"]
            blocks.append("".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n")
    return b"".join(blocks) * ROUNDS, len(blocks) * ROUNDS


def ours(data: bytes) -> float:
    """Seconds: whole messages, parsed, translated to the engine's events."""
    channels, _ = channels_of(
        lambda event: None,
        resolve=beep,
        messages=MessageFolder(Path("/nowhere"), "/nowhere"),
        addresses=("PJSIP/anna", "PJSIP/boris", "PJSIP/vera"),
    )
    line = WholeMessages(channels.take, lambda error: None, lambda: None)
    line.connection_made(asyncio.Transport())
    return _feed(line, data)


def bare(data: bytes) -> float:
    """Seconds: panoramisk as it comes, one callback for all events."""
    manager = Manager()
    manager.register_event("*", lambda manager, event: None)
    line = AMIProtocol()
    line.connection_made(asyncio.Transport())
    line.factory = manager
    return _feed(line, data)


def _feed(line: asyncio.Protocol, data: bytes) -> float:
    line.data_received(b"Asterisk Call Manager/9.0\r\n")
    began = time.perf_counter()
    for start in range(0, len(data), CHUNK):
        line.data_received(data[start : start + CHUNK])
    return time.perf_counter() - began


def table() -> str:
    """Markdown."""
    data, count = stream()
    # In turns, the best of three: what disturbs one disturbs the other.
    theirs, mine = zip(*((bare(data), ours(data)) for _ in range(3)), strict=True)
    return "\n".join(
        (
            "| | events/s | us an event |",
            "|---|---|---|",
            f"| panoramisk, bare, one callback | {count / min(theirs):.0f} | "
            f"{min(theirs) / count * 1e6:.1f} |",
            f"| ours, translated to the engine's events | {count / min(mine):.0f} | "
            f"{min(mine) / count * 1e6:.1f} |",
        )
    )


if __name__ == "__main__":
    print(table())
