"""AMI's bytes, however they come."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from pbx.ami.protocol import MAX_MESSAGE, Headers, WholeMessages, parse

EVENTS = [
    {"Event": "Newchannel", "Uniqueid": "1.1", "CallerIDName": "Мария Щукина"},
    {"Event": "Hangup", "Uniqueid": "1.1", "Cause": "16"},
    {"Response": "Success", "Message": "ok"},
]
STREAM = b"Asterisk Call Manager/9.0\r\n" + b"".join(
    "".join(f"{k}: {v}\r\n" for k, v in one.items()).encode() + b"\r\n" for one in EVENTS
)


class Line:
    """A protocol with what came out of it."""

    def __init__(self) -> None:
        self.messages: list[Headers] = []
        self.garbage = 0
        self.protocol = WholeMessages(self.messages.append, lambda error: None, self._garbage)
        self.protocol.connection_made(asyncio.Transport())

    def _garbage(self) -> None:
        self.garbage += 1


@given(st.lists(st.integers(1, len(STREAM)), max_size=40))
def test_any_cut_of_the_stream_gives_the_same_messages(cuts: list[int]) -> None:
    line = Line()
    edges = sorted({0, *cuts, len(STREAM)})
    for start, end in pairwise(edges):
        line.protocol.data_received(STREAM[start:end])

    assert line.messages == EVENTS


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_never_raises_and_the_next_message_is_understood(chunks: list[bytes]) -> None:
    line = Line()
    for chunk in chunks:
        line.protocol.data_received(chunk)
    line.protocol.data_received(b"\r\n\r\nEvent: Hangup\r\nUniqueid: 7\r\n\r\n")

    assert line.messages[-1] == {"Event": "Hangup", "Uniqueid": "7"}


def test_a_message_without_an_end_is_dropped_and_counted_and_memory_is_bounded() -> None:
    line = Line()
    for _ in range(8):
        line.protocol.data_received(b"x" * (MAX_MESSAGE // 4))
    line.protocol.data_received(b"\r\n\r\nEvent: Hangup\r\n\r\n")

    assert line.garbage == 1
    assert line.messages == [{"Event": "Hangup"}]


def test_the_first_header_of_a_name_counts() -> None:
    assert parse(b"Event: Newchannel\r\nEvent: Hangup\r\nUniqueid: 1")["Event"] == "Newchannel"


def test_bytes_that_are_no_utf8_become_a_mark() -> None:
    assert parse(b"CallerIDName: \xff\xfe")["CallerIDName"] == "\ufffd\ufffd"


NAMES = st.sampled_from(["Event", "Cause-txt", " A", "B ", ""])
HEADERS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.builds("{}: {}".format, NAMES, st.text()),
    ),
    max_size=6,
)


@given(HEADERS)
def test_the_quick_way_and_the_careful_one_read_the_same(lines: list[str]) -> None:
    block = "\r\n".join(lines).encode("utf-8", "replace")
    told: Headers = {}
    for line in block.decode().split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            told.setdefault(name.strip(), value.removeprefix(" "))
    assert parse(block) == told
