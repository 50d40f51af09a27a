"""The errors of the product.

::

    PbxError
    ├── PlanError          the dial plan can't be loaded (pbx/plan/faults.py)
    ├── BuildFailed        the process that builds a plan beside the engine did not do it
    ├── RunFailed          a process that plays a simulated run did not come to its end
    ├── VersionError       a version of the plan that was live is not there (any more)
    ├── ControlError       the running engine can't be reached, or did not do what it was asked
    ├── SettingsError      an environment variable or a secret file is missing or wrong
    ├── SwitchError        the telephone switch
    │   ├── SwitchLost     the connection broke, or was never there
    │   ├── LoginRefused   the switch said no: trying again does not help
    │   └── ActionFailed   one action was refused, or not answered in time
    ├── UnsafeValue        a value that must not reach the switch (control characters)
    ├── JournalError       the log's database
    ├── LogIsBack          an engine that began without its log can begin anew with it
    ├── ReportError        a question that can't be answered: no such slice, no such measure
    ├── FunnelError        an event or a file of events that can't be taken
    ├── TooLong            a page's question to the log took too long (pbx/web/state.py)
    ├── WebhookError       a message to another program that can't be sent again
    └── AccountError       a user or a token that can't be made or changed so
"""

from __future__ import annotations


class PbxError(Exception):
    """The root of all errors of ours."""


class BuildFailed(PbxError):
    """The process that builds a plan beside the engine did not come to an end."""


class RunFailed(PbxError):
    """A process that plays a simulated run did not come to its end."""


class VersionError(PbxError):
    """A version of the plan that was live is not there, or can't be read."""


class ControlError(PbxError):
    """The running engine can't be reached, or did not do what it was asked."""


class SettingsError(PbxError):
    """A setting from the environment or a secret file is missing or wrong."""


class SwitchError(PbxError):
    """The telephone switch could not do what was asked."""


class SwitchLost(SwitchError):
    """The connection to the switch broke, or could not be made."""


class LoginRefused(SwitchError):
    """The switch refused the login; trying again with the same secret does not help."""


class ActionFailed(SwitchError):
    """One action was refused or not answered in time."""


class UnsafeValue(PbxError):
    """A value with control characters was about to be sent to the switch."""


class JournalError(PbxError):
    """The log's database failed."""


class LogIsBack(PbxError):
    """The log can be had again: an engine that began without it shall begin anew."""


class ReportError(PbxError):
    """A report was asked for that has no sense."""


class FunnelError(PbxError):
    """An event of the funnel can't be taken."""


class WebhookError(PbxError):
    """A message to another program can't be sent again."""


class AccountError(PbxError):
    """A user or a token can't be made or changed so; ``kind`` names the reason for a page."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
