"""A running ``pbx run`` in tests: its plan, and questions to its log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import create_engine

from lab.service import PbxProcess
from pbx.journal.queries import CallFilter, call_story, list_calls
from pbx.journal.story import CallRow, CallStory

DID = "78005553535"
PLAN = """
settings:
  region: RU
  time_zone: Europe/Moscow
  languages: [en]
  rescue: {members: [boris], ring_time: 3s}
managers:
  anna: {name: Анна, department: sales}
  boris: {name: Борис, department: rescue}
queues:
  sales:
    members: {department: sales}
    strategy: round-robin
    ring_time: 30s
prompts:
  hello: {sound: beep}
menus:
  welcome:
    menu: hello
    timeout: 60s
    keys: {1: {queue: sales}}
numbers:
  "+78005553535": {entry: welcome}
  "+78005553536": {entry: {queue: sales}}
"""
QUEUE = "78005553536"


def calls_of(pbx: PbxProcess) -> list[CallRow]:
    engine = create_engine(pbx.database)
    try:
        return list_calls(engine, CallFilter())
    finally:
        engine.dispose()


def story_of(pbx: PbxProcess, call_id: str) -> CallStory:
    engine = create_engine(pbx.database)
    try:
        story = call_story(engine, call_id)
    finally:
        engine.dispose()
    assert story is not None
    return story


async def logged(
    pbx: PbxProcess, holds: Callable[[list[CallRow]], bool], deadline_s: float = 40.0
) -> list[CallRow]:
    """Waits until the log says so."""
    calls: list[CallRow] = []
    try:
        async with asyncio.timeout(deadline_s):
            while not holds(calls := calls_of(pbx)):  # noqa: ASYNC110 (another process writes)
                await asyncio.sleep(0.1)
    except TimeoutError:
        told = [(one.call_id, one.outcome, one.wait_s, one.talk_s, one.cause) for one in calls][-9:]
        raise AssertionError(f"the log says {told}") from None
    return calls
