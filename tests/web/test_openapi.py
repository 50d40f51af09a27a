"""The API's description: sound, whole, with an example of everything, and the docs' own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import orjson
import pytest
from fastapi import FastAPI

from pbx.web.app import add_api
from pbx.web.openapi import described, operations, written

DOC = Path(__file__).parents[2] / "docs" / "openapi.json"
JSON = "application/json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    app = FastAPI()
    add_api(app)
    found: dict[str, Any] = orjson.loads(written(app))
    return found


def everything(of: Any) -> Iterator[dict[str, Any]]:
    if isinstance(of, dict):
        yield of
        for one in of.values():
            yield from everything(one)
    elif isinstance(of, list):
        for one in of:
            yield from everything(one)


def resolved(schema: dict[str, Any], ref: str) -> Any:
    found: Any = schema
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


def sample(schema: dict[str, Any], of: dict[str, Any], name: str) -> Any:
    """An example, made of the examples that the description has."""
    if "$ref" in of:
        return sample(schema, resolved(schema, of["$ref"]), of["$ref"])
    if "examples" in of:
        return of["examples"][0]
    if "const" in of:
        return of["const"]
    if "enum" in of:
        return of["enum"][0]
    if "default" in of:
        return of["default"]
    if "anyOf" in of:
        return sample(schema, of["anyOf"][0], name)
    if of.get("type") == "array":
        return [sample(schema, of["items"], name)]
    if "properties" in of:
        return {key: sample(schema, one, f"{name}.{key}") for key, one in of["properties"].items()}
    if of.get("type") == "boolean":
        return True
    raise AssertionError(f"{name} has no example")


def bodies(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every JSON that is sent, and every one that is answered when all is well."""
    for one in operations(schema):
        name = one["operationId"]
        contents = [(f"{name}: body", one.get("requestBody", {}).get("content", {}))]
        contents += [
            (f"{name}: {status}", answer.get("content", {}))
            for status, answer in one["responses"].items()
            if status < "300"
        ]
        for where, content in contents:
            if JSON in content:
                yield where, content[JSON]


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    refs = {one["$ref"] for one in everything(schema) if isinstance(one.get("$ref"), str)}
    for ref in refs:
        assert isinstance(resolved(schema, ref), dict), ref
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert known == refs, "a schema that nothing needs"


def test_every_operation_says_what_it_is(schema: dict[str, Any]) -> None:
    found = list(operations(schema))
    names = [one["operationId"] for one in found]
    assert len(set(names)) == len(names)
    for one in found:
        name = one["operationId"]
        assert 3 < len(one["summary"]) <= 60, name
        assert not one["summary"].endswith("."), name
        assert one["tags"], name
        if name != "funnel_signed":
            assert one["security"] == [{"HTTPBearer": []}], name
        for status in ("401", "403", "422", "503"):
            assert list(one["responses"][status]["content"]) == ["application/problem+json"], name


def test_paths_name_their_parameters(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for one in methods.values():
            named = {p["name"] for p in one.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path


def test_everything_has_an_example_that_fits(schema: dict[str, Any]) -> None:
    seen = 0
    for name, content in bodies(schema):
        shape = {**content["schema"], "components": schema["components"]}
        example = content.get("example", content["schema"].get("example"))
        if example is None:
            example = sample(schema, content["schema"], name)
        jsonschema.Draft202012Validator.check_schema(shape)
        jsonschema.validate(example, shape, jsonschema.Draft202012Validator)
        seen += 1
    assert seen > 10


async def test_who_asks_gets_the_same(browser: httpx.AsyncClient, app: FastAPI) -> None:
    answer = await browser.get("/api/v1/openapi.json")

    assert answer.json() == orjson.loads(orjson.dumps(described(app)))
    assert answer.json()["openapi"].startswith("3.1")


def test_the_docs_have_it(schema: dict[str, Any]) -> None:
    told = orjson.loads(DOC.read_bytes())
    assert told == schema, "python -m pbx.web.openapi > docs/openapi.json"
