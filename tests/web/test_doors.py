"""What every answer carries, what is refused at the door, and how faults look."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from pbx.web.assets import FOLDER
from pbx.web.pages.preferences import inside
from pbx.web.security import HEADERS, MAX_BODY

NOWHERE = ["/no/such/page", "/static/0/css/app.css", "/%00", "/..%2f..%2fetc/passwd", "/healthz"]


@pytest.mark.parametrize("path", NOWHERE)
async def test_every_answer_has_the_headers(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)

    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


async def test_who_is_not_signed_in_is_sent_to_the_login_and_a_program_hears_401(
    browser: httpx.AsyncClient,
) -> None:
    page = await browser.get("/")

    assert (page.status_code, page.headers["location"]) == (303, "/login")


async def test_faults_speak_the_browsers_language_and_tell_no_secrets(
    browser: httpx.AsyncClient,
) -> None:
    russian = await browser.get("/no<script>")
    english = await browser.get("/no", headers={"Accept-Language": "en-GB,en;q=0.9,ru;q=0.1"})
    program = await browser.get("/api/v1/nothing")

    assert "Такой страницы нет" in russian.text
    assert "<script>" not in russian.text
    assert "There is no such page" in english.text
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json()["status"] == 404


async def test_an_error_of_ours_is_a_page_without_its_words(app: FastAPI) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("postgresql://voronka:secret@db")

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pbx.test") as browser:
        answer = await browser.get("/broken")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"]


async def test_a_body_that_is_too_long_is_refused(browser: httpx.AsyncClient) -> None:
    for length in (MAX_BODY + 1, "-1", "x"):
        answer = await browser.post("/preferences", headers={"Content-Length": str(length)})
        assert answer.status_code == 413
    program = await browser.post("/api/v1/x", headers={"Content-Length": "x"})
    assert (program.status_code, program.json()["status"]) == (413, 413)


async def test_files_are_kept_for_ever_under_a_name_of_their_content(
    browser: httpx.AsyncClient,
) -> None:
    page = (await browser.get("/nothing")).text
    (style,) = re.findall(r'href="(/static/[0-9a-f]{12}/css/app\.css)"', page)
    answer = await browser.get(style)

    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


def test_nothing_is_fetched_from_elsewhere() -> None:
    files = [*FOLDER.rglob("*"), *(FOLDER.parent / "templates").rglob("*.html")]
    texts = {
        file: file.read_text(encoding="utf-8")
        for file in files
        if file.suffix in (".css", ".js", ".html", ".svg")
    }

    for file, text in texts.items():
        plain = text.replace("http://www.w3.org/", "")
        assert not re.search(r"https?://(?!\S*licen[cs]e)", plain), file
    for file in (one for one in texts if one.suffix == ".html"):
        # A style or a handler in the page would be refused by our own policy.
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style", texts[file]), file
        for opening in re.findall(r"<script[^>]*>", texts[file]):
            assert "src=" in opening or "application/json" in opening, (file, opening)


async def test_language_and_look_are_remembered(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/preferences", data={"language": "en", "back": "/calls?a=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls?a=1")
    await browser.post("/preferences", data={"theme": "dark"})
    page = (await browser.get("/nothing")).text

    assert '<html lang="en" data-theme="dark">' in page
    await browser.post("/preferences", data={"theme": '"><script>', "language": "../../en"})
    assert '<html lang="en" data-theme="dark">' in (await browser.get("/nothing")).text


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil", "", "x"]
)
def test_the_way_back_never_leads_to_another_site(path: str) -> None:
    assert inside(path) == "/"
    assert inside("/missed?owner=sales") == "/missed?owner=sales"


def test_both_languages_say_the_same() -> None:
    from pbx.web.texts import Texts, texts

    ru, en = texts("ru"), texts("en")

    assert ru.all.keys() == en.all.keys()
    for key, text in ru.all.items():
        assert values_of(text) == values_of(en.all[key]), key
    assert (
        Texts(
            "ru",
            {"x": {"one": "{n} звонок", "few": "{n} звонка", "many": "{n} звонков", "other": ""}},
        )("x", n=22)
        == "22 звонка"
    )


def values_of(text: object) -> set[str]:
    whole = text if isinstance(text, str) else " ".join(dict(text).values())  # type: ignore[call-overload]
    return set(re.findall(r"\{(\w+)\}", whole))


def test_every_text_that_a_template_asks_for_is_there() -> None:
    from pbx.web.texts import texts

    known = texts("ru").all
    for file in (FOLDER.parent / "templates").rglob("*.html"):
        asked = re.findall(r"\bt\('([\w.]+)'[,)]", Path(file).read_text(encoding="utf-8"))
        assert [key for key in asked if key not in known] == [], file
