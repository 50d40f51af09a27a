"""The plan in force, and how another takes its place: all of it, or nothing.

House rules: everything that can fail or takes long (reading, checking, speaking prompts, keeping
the version) is done beforehand in a thread, and what is work for the interpreter in a process of
its own (pbx/plan/aside.py); what is left is a handful of references, put in their places in one go
between two events.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from pbx.control import Request, user_name
from pbx.engine.tuning import without_collections
from pbx.errors import BuildFailed, ControlError, VersionError
from pbx.plan.aside import Built, build_aside, keep
from pbx.plan.changes import Change, render
from pbx.plan.faults import Fault, PlanError
from pbx.plan.load import Loaded, Sources, build, read
from pbx.plan.model import Plan
from pbx.plan.prompts import PromptProblem
from pbx.plan.versions import How, Version, VersionStore
from routing.replacement import strategy_of
from routing.strategy import Registry

_log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """What the metrics want to know."""

    def plan_loaded(self, at: float, ok: bool, digest: str = "") -> None:
        """A plan was loaded, or refused, at this time (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class Began:
    """The plan that a process begins with.  ``version``: of an earlier time, where it is that;
    ``refused``: why the files in the plan's own place are not it."""

    loaded: Loaded
    version: Version | None = None
    refused: PlanError | None = None


def first_plan(path: Path, versions: VersionStore, strategies: Registry) -> Began:
    """What is to be in force at a start: the files at ``path``, but

    - the version that was rolled back to, as long as these files are those it passed over;
    - the last one that was live, when these files can't be loaded.

    Raises PlanError when there is none of that.  Blocks on the disk.
    """
    sources, last = read(path), versions.live()
    rolled_back = last is not None and last.how is How.ROLLBACK
    if last is not None and rolled_back and last.passed_over == sources.digest:
        with contextlib.suppress(VersionError, PlanError):
            return Began(_built(versions.sources(last, sources.folder), strategies), last)
    try:
        return Began(_built(sources, strategies))
    except PlanError as error:
        if last is not None:
            with contextlib.suppress(VersionError, PlanError):
                kept = versions.sources(last, sources.folder)
                return Began(_built(kept, strategies), last, error)
        raise


def _built(sources: Sources, strategies: Registry) -> Loaded:
    """The plan, its strategies tried: one from outside may fail when it is made.

    Raises PlanError."""
    loaded = build(sources, registry=strategies)
    _try_strategies(loaded.plan, sources, strategies)
    return loaded


def _try_strategies(plan: Plan, sources: Sources, strategies: Registry) -> None:
    try:
        for queue in plan.routing.queues.values():
            strategy_of(queue, queue.strategy, strategies, random.Random(0))
    except Exception as error:
        message = f"a strategy can't be made: {error!r}"
        raise PlanError([Fault(sources.path, 0, 0, message)]) from error


@dataclass(frozen=True, slots=True)
class Done:
    """A plan was put in force.  ``version`` None: it could not be kept, see ``problems``."""

    changes: tuple[Change, ...]
    text: str
    version: Version | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Prepared:
    plan: Plan
    sources: Sources
    kept: bytes
    changes: tuple[Change, ...]
    text: str
    problems: list[str]


class LivePlan:
    """``path``: the plan's own place.  ``prepare``: speaks a plan's prompts, in a thread.

    ``put``: puts a plan everywhere in force; called in the event loop, between two events.
    ``strategies``: those that the engine at work has.  ``build``: makes a plan of its files, told
    what the one in force was kept as; in a thread.
    """

    def __init__(
        self,
        path: Path,
        versions: VersionStore,
        began: Began,
        *,
        prepare: Callable[[Plan], Sequence[PromptProblem]],
        put: Callable[[Plan], None],
        strategies: Registry,
        utc_now: Callable[[], datetime],
        watcher: Watcher,
        build: Callable[[Sources, bytes, Registry], Built] = build_aside,
    ) -> None:
        self._path = path
        self._versions = versions
        self._began = began
        self._prepare_prompts = prepare
        self._put = put
        self._strategies = strategies
        self._utc_now = utc_now
        self._watcher = watcher
        self._build = build
        self._plan, self._sources = began.loaded.plan, began.loaded.sources
        self._kept = keep(began.loaded)
        self._since = utc_now()
        self._lock = asyncio.Lock()
        self._told(began)

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    # At the start ------------------------------------------------------------------------

    async def look_again(self) -> None:
        """A standby begins to lead: the plan is the one of now, not of when it was started."""
        async with self._lock:
            try:
                began = await asyncio.to_thread(
                    first_plan, self._path, self._versions, self._strategies
                )
            except PlanError as error:
                self._refused(error)
                return
            news = began.refused is not None and self._began.refused is None
            if began.loaded.plan.digest != self.plan.digest:
                plan, sources, kept = began.loaded.plan, began.loaded.sources, keep(began.loaded)
                problems = await asyncio.to_thread(self._problems, plan)
                self._take(_Prepared(plan, sources, kept, (), "", problems))
                news = True
            self._began = began
            if news:
                self._told(began)

    async def in_force(self) -> None:
        """The engine leads and works with the plan it began with: that is a version, too."""
        began = self._began
        if began.version is not None:
            self._since = began.version.at
            return
        _, problems = await self._keep(self._sources, How.START, user_name(os.geteuid()))
        for problem in problems:
            _log.warning("plan_version_not_kept", problem=problem)

    def _told(self, began: Began) -> None:
        ok = began.refused is None
        self._watcher.plan_loaded(self._utc_now().timestamp(), ok, self.plan.digest)
        if began.refused is not None:
            _log.error("plan_not_loaded", errors=began.refused.render(self._stays(began.version)))
        elif began.version is not None:
            _log.warning("plan_rolled_back_before", version=began.version.number)

    # Later -------------------------------------------------------------------------------

    async def reload(self, author: str) -> Done:
        """Put the files at the plan's own place in force.  Raises ControlError with all mistakes
        when they can't be: nothing has changed then."""
        async with self._lock:
            sources = await asyncio.to_thread(read, self._path)
            return await self._replace(sources, How.RELOAD, author)

    async def roll_back(self, reference: str, author: str) -> Done:
        """Put a version in force that was live before ("": the last other one); the plan's own
        files stay as they are.  Raises ControlError when it can't be: nothing has changed then."""
        async with self._lock:
            sources, passed_over = await asyncio.to_thread(self._find, reference)
            return await self._replace(sources, How.ROLLBACK, author, passed_over.digest)

    def _find(self, reference: str) -> tuple[Sources, Sources]:
        """The files of that version, and those in the plan's own place."""
        versions, files = self._versions, read(self._path)
        version = versions.find(reference) if reference else versions.before_live()
        return versions.sources(version, files.folder), files

    async def _replace(
        self, sources: Sources, how: How, author: str, passed_over: str = ""
    ) -> Done:
        try:
            with without_collections():
                prepared = await asyncio.to_thread(self._prepare, sources)
                self._take(prepared)
        except PlanError as error:
            raise ControlError(self._refused(error)) from error
        except BuildFailed as error:
            self._watcher.plan_loaded(self._utc_now().timestamp(), False)
            _log.error("plan_not_loaded", errors=str(error))
            raise ControlError(f"{error}; {self._stays()}") from error
        except ControlError:
            self._watcher.plan_loaded(self._utc_now().timestamp(), False)
            raise
        except Exception as error:
            self._watcher.plan_loaded(self._utc_now().timestamp(), False)
            _log.exception("plan_not_loaded")
            raise ControlError(f"it failed: see the engine's log; {self._stays()}") from error
        now = self._utc_now()
        self._watcher.plan_loaded(now.timestamp(), True, self.plan.digest)
        version, unkept = await self._keep(sources, how, author, passed_over)
        problems = (*prepared.problems, *unkept)
        text = prepared.text
        _log.info(
            "plan_loaded",
            how=how.value,
            by=author,
            plan=self.plan.digest[:12],
            version=version.number if version else None,
            changes=text,
            problems=problems,
        )
        return Done(prepared.changes, text, version, problems)

    def _prepare(self, sources: Sources) -> _Prepared:
        built = self._build(sources, self._kept, self._strategies)
        _try_strategies(built.plan, sources, self._strategies)
        problems = self._problems(built.plan)
        changes = built.changes
        return _Prepared(built.plan, sources, built.kept, changes, render(changes), problems)

    def _problems(self, plan: Plan) -> list[str]:
        problems = [f"warning: {one.render()}" for one in plan.warnings]
        return problems + [f"missing: {one}" for one in self._prepare_prompts(plan)]

    def _take(self, prepared: _Prepared) -> None:
        self._put(prepared.plan)
        self._plan, self._sources, self._kept = prepared.plan, prepared.sources, prepared.kept
        self._since = self._utc_now()

    async def _keep(
        self, sources: Sources, how: How, author: str, passed_over: str = ""
    ) -> tuple[Version | None, tuple[str, ...]]:
        """A full disk must not stand in the way of a plan: it is told, and that is all."""

        def keep() -> Version | None:
            live = self._versions.live()
            # The same again is no other version, unless it says what holds after a restart.
            if live is not None and live.digest == sources.digest:
                same_files = How.ROLLBACK not in (how, live.how)
                if same_files:
                    return live
            self._versions.keep(sources)
            return self._versions.note(
                sources.digest,
                at=self._utc_now(),
                author=author,
                how=how,
                passed_over=passed_over,
            )

        try:
            return await asyncio.to_thread(keep), ()
        except OSError as error:
            return None, (f"the version could not be kept: {error}",)

    def _refused(self, error: PlanError) -> str:
        self._watcher.plan_loaded(self._utc_now().timestamp(), False)
        told = error.render(self._stays())
        _log.error("plan_not_loaded", errors=told)
        return told

    def _stays(self, version: Version | None = None) -> str:
        """``the plan of 09:14 stays active.``, by the company's own clock."""
        zone = ZoneInfo(self.plan.time_zone)
        since = (version.at if version else self._since).astimezone(zone)
        today = self._utc_now().astimezone(zone).date() == since.date()
        return f"the plan of {since:{'%H:%M' if today else '%d %B, %H:%M'}} stays active."

    # What is asked through the control socket -----------------------------------------------

    async def answer(self, request: Request, author: str) -> dict[str, object]:
        """``reload`` and ``rollback`` (``version``: "" for the last other one)."""
        match request.get("command"):
            case "reload":
                done = await self.reload(author)
            case "rollback":
                done = await self.roll_back(str(request.get("version", "")), author)
            case _:
                raise ControlError("an unknown command: is pbx of another version than the engine?")
        return await asyncio.to_thread(self._reply, done)

    def _reply(self, done: Done) -> dict[str, object]:
        version = done.version
        return {
            "changes": [asdict(one) for one in done.changes],
            "text": done.text,
            "problems": list(done.problems),
            "digest": self.plan.digest,
            "version": version.number if version else None,
            "path": str(self._path.absolute()),
        }
