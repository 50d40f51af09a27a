"""The application over a test's state, built once for many tests.

FastAPI reads every page's and every resource's signature when the first request comes to an
application: a third of the time of these tests.  So an application is lent to one test after
another, with that test's state.
"""

from __future__ import annotations

from fastapi import FastAPI

from pbx.web.app import build_app
from pbx.web.state import WebState

_idle: list[FastAPI] = []
_lent: list[FastAPI] = []


def application(state: WebState) -> FastAPI:
    """One that serves this state until the test is over; what the test overrides goes with it.

    Its lifespan is not this state's: a test runs that itself.
    """
    if state.settings.secure:  # what an application does otherwise by https is built into it
        return build_app(state)
    app = _idle.pop() if _idle else build_app(state)
    app.state.web = state
    _lent.append(app)
    return app


def take_back() -> None:
    """The test is over: all that it had are free again."""
    for app in _lent:
        app.dependency_overrides.clear()
        del app.state.web
    _idle.extend(_lent)
    _lent.clear()
