"""The plan as the engine has it: the last version that went live, else the files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from pbx.errors import VersionError
from pbx.plan.faults import PlanError
from pbx.plan.load import build, read
from pbx.plan.model import Plan
from pbx.plan.versions import VersionStore
from pbx.web.leads import Leads, leads_of
from pbx.web.principal import Staff

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
"""How often another plan is looked for, seconds."""


class PlanInForce:
    """``plan``, ``staff`` and ``leads`` are always those of one version."""

    def __init__(self, path: Path, versions: Path) -> None:
        self._path = path
        self._versions = VersionStore(versions)
        self._mark: object = None
        self.plan, self.staff, self.leads = self._taken(self._load())

    async def watch(self) -> None:
        """Look for another one, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                newer = await asyncio.to_thread(self._newer)
            except (PlanError, OSError) as error:
                _log.warning("plan_not_read", reason=str(error))
                continue
            if newer is not None:
                self.plan, self.staff, self.leads = self._taken(newer)

    def _newer(self) -> Plan | None:
        """None while it is the same.  Raises PlanError."""
        live = self._versions.live()
        if live is None or live == self._mark:
            return None
        return self._load()

    def _load(self) -> Plan:
        """Raises PlanError."""
        live = self._mark = self._versions.live()
        if live is not None:
            try:
                return build(self._versions.sources(live, self._path)).plan
            except (VersionError, PlanError) as error:
                _log.warning("plan_version_not_read", version=live.number, reason=str(error))
        return build(read(self._path)).plan

    @staticmethod
    def _taken(plan: Plan) -> tuple[Plan, Staff, Leads]:
        return plan, Staff.of(plan), leads_of(plan)
