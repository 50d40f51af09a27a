"""An application that is lent to one test after another keeps nothing of the one before."""

from __future__ import annotations

from dataclasses import replace

from fastapi import FastAPI

from pbx.settings import WebSettings
from pbx.web.access import Role, signed_in
from pbx.web.state import WebState
from tests.web.application import application, take_back
from tests.web.made_up import who


def test_who_was_signed_in_is_not_in_the_next_one(app: FastAPI, state: WebState) -> None:
    app.dependency_overrides[signed_in] = lambda: who(Role.ADMIN)
    take_back()
    lent = [application(state) for _ in range(3)]
    assert any(one is app for one in lent)
    assert all(not one.dependency_overrides for one in lent)
    assert all(one.state.web is state for one in lent)


async def test_one_for_https_is_its_own(settings: WebSettings) -> None:
    secure = WebState(replace(settings, url="https://pbx.example.com"))
    app = application(secure)
    take_back()
    plain = WebState(settings)
    assert all(application(plain) is not app for _ in range(3))
