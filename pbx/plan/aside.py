"""A plan built in a process of its own, beside the engine's: ``build_aside``.

A thread that builds one holds the interpreter again and again while calls want it; this process
does not.  What comes back is taken in piece by piece, so that the loop waits for one at most.

House rules: nothing is decided here.  What goes either way is pickled by us for ourselves, through
a pipe, and kept nowhere.  A process that fails is a plan that is not loaded.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import BinaryIO

from pbx.errors import BuildFailed
from pbx.plan.changes import Change, differences
from pbx.plan.faults import PlanError
from pbx.plan.load import Loaded, Sources, build
from pbx.plan.model import Plan
from routing.plan import RoutingPlan
from routing.strategy import Registry

COMMAND = (sys.executable, "-m", "pbx.plan.aside")
LONGEST_S = 120.0
"""A plan that takes longer is not loaded, seconds; 1,000 numbers and 500 managers take one."""
NICENESS = 5
"""Calls first, where processors are few."""
PIECE = 40
"""Entries taken in at once: a fifth of a millisecond."""
BREATH_S = 0.0005
"""Between two pieces, seconds, for who waits."""

_OURS = "VORONKA_"
"""Settings and secrets of the engine: no plan is built by them."""
_LENGTH = struct.Struct(">I")
_AGENTS, _QUEUES = "routing.agents", "routing.queues"


@dataclass(frozen=True, slots=True)
class Built:
    """A plan; ``kept`` is what the next is compared with, ``changes`` what has become of the one
    before."""

    plan: Plan
    kept: bytes
    changes: tuple[Change, ...]


def keep(loaded: Loaded) -> bytes:
    """A plan built here, for the next to be compared with."""
    return pickle.dumps(loaded, pickle.HIGHEST_PROTOCOL)


def build_aside(
    sources: Sources, before: bytes, registry: Registry, *, command: Sequence[str] = COMMAND
) -> Built:
    """As ``build``, and compared with the plan ``before``.  Blocks: for a thread.

    Raises PlanError, and BuildFailed where the process did not come to an end."""
    env = {name: os.environ[name] for name in os.environ if not name.startswith(_OURS)}
    asked = pickle.dumps((sources, before, registry), pickle.HIGHEST_PROTOCOL)
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, env=env, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"building the plan took more than {LONGEST_S:.0f} s") from None
    except OSError as error:
        raise BuildFailed(f"the plan's builder can't be started: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        why = said or f"it ended with {done.returncode}"
        raise BuildFailed(f"the plan's builder failed: {why}")
    frames = list(_frames(done.stdout))
    refused, kept, changes = pickle.loads(frames[0])
    if refused is not None:
        faults, left_out = refused
        raise PlanError(faults, left_out)
    return Built(_put_together(frames[1:]), kept, changes)


# Pieces ----------------------------------------------------------------------------------------


def _take_apart(plan: Plan) -> Iterator[bytes]:
    """The plan without its long mappings, and these in pieces: each with the mapping's name."""
    long: dict[str, Iterable[tuple[object, object]]] = {
        one.name: value.items()
        for one in fields(plan)
        if isinstance(value := getattr(plan, one.name), Mapping) and len(value) > PIECE
    }
    without: dict[str, object] = {name: {} for name in long}
    bare = replace(plan, **without, routing=RoutingPlan({}, {}))  # type: ignore[arg-type]
    yield pickle.dumps(bare, pickle.HIGHEST_PROTOCOL)
    long[_AGENTS], long[_QUEUES] = plan.routing.agents.items(), plan.routing.queues.items()
    for name, entries in long.items():
        left = iter(entries)
        while some := dict(islice(left, PIECE)):
            yield pickle.dumps((name, some), pickle.HIGHEST_PROTOCOL)


def _put_together(pieces: Sequence[bytes]) -> Plan:
    plan: Plan = pickle.loads(pieces[0])
    whole: dict[str, dict[object, object]] = {}
    for piece in pieces[1:]:
        time.sleep(BREATH_S)
        name, some = pickle.loads(piece)
        whole.setdefault(name, {}).update(some)
    agents, queues = whole.pop(_AGENTS, {}), whole.pop(_QUEUES, {})
    routing = RoutingPlan(agents, queues)  # type: ignore[arg-type]
    return replace(plan, routing=routing, **whole)  # type: ignore[arg-type]


def _frames(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + length]
        at += length


# The process -----------------------------------------------------------------------------------


def answer(asked: bytes) -> Iterator[bytes]:
    """What ``build_aside`` takes in."""
    sources, before, registry = pickle.loads(asked)
    try:
        loaded = build(sources, registry=registry)
    except PlanError as error:
        yield pickle.dumps(((error.faults, error.left_out), b"", ()))
        return
    changes = differences(pickle.loads(before), loaded)
    yield pickle.dumps((None, keep(loaded), changes), pickle.HIGHEST_PROTOCOL)
    yield from _take_apart(loaded.plan)


def _write(out: BinaryIO, frames: Iterable[bytes]) -> None:
    for frame in frames:
        out.write(_LENGTH.pack(len(frame)))
        out.write(frame)


def main() -> None:
    """The process: a question on its standard input, the answer on its standard output."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a strategy's module says when it is imported must not get in between.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(NICENESS)
    with out:
        _write(out, answer(sys.stdin.buffer.read()))


if __name__ == "__main__":
    main()
