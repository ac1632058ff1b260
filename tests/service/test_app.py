"""The application as a whole: its page, its description, its routes."""

import re
from typing import Any

import httpx
import pytest

from service.app import PAGES, create_app
from tests.service.scripted import ADMIN_KEY, ScriptedChatbot, opened, running

OPEN_ROUTES = {
    "GET /configuration",
    "GET /conversations/{conversation_id}",
    "GET /health",
    "GET /messages/{message_id}/feedback",
    "GET /metrics",
    "GET /ready",
    "GET /v1/models",
    "GET /v1/models/{name}",
    "POST /chat",
    "POST /decide",
    "POST /messages/{message_id}/feedback",
    "POST /search",
    "POST /v1/chat/completions",
}


def described() -> dict[str, Any]:
    return create_app(opened(ScriptedChatbot()), admin_key=ADMIN_KEY).openapi()


def operations() -> dict[str, dict[str, Any]]:
    """METHOD PATH -> what the description says of it."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_either_listed_as_open_or_asks_for_the_key() -> None:
    with running(ScriptedChatbot()) as client:
        for name in operations().keys() - OPEN_ROUTES:
            method, path = name.split()
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {ADMIN_KEY}"}):
                response = client.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                assert response.status_code == 401, name
                assert response.json()["type"] == "/problems/unauthorized"
    assert operations().keys() >= OPEN_ROUTES


@pytest.mark.parametrize("status", ["4XX", "5XX"])
def test_the_description_names_the_errors_of_every_route_in_the_form_that_they_have(status: str) -> None:
    described_errors = described()["components"]["schemas"]
    for name, operation in operations().items():
        form, schema = ("json", "OpenAIError") if " /v1/" in name else ("problem+json", "Problem")
        content = operation["responses"][status]["content"]
        assert content == {f"application/{form}": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}, name
        assert schema in described_errors
        assert "422" not in operation["responses"], name


def test_the_description_tells_who_streams_and_who_needs_the_key() -> None:
    streaming = {name for name, one in operations().items() if "text/event-stream" in str(one["responses"])}
    assert streaming == {"POST /chat", "POST /v1/chat/completions"}
    assert {name for name, one in operations().items() if "security" not in one} == OPEN_ROUTES


def test_the_page_is_served_with_all_that_it_needs() -> None:
    with running(ScriptedChatbot()) as client:
        page = client.get("/")
        needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert page.headers["content-type"].startswith("text/html")
        assert len(needed) == 3
        for path in needed:
            assert client.get(path).status_code == 200, path


def test_the_page_loads_nothing_from_elsewhere_and_writes_no_html() -> None:
    for file in PAGES.iterdir():
        text = file.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "//" not in re.sub(r"^//.*$", "", text, flags=re.MULTILINE), file
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), file
        assert not re.search(r"<style|style=|<script(?! type=\"module\" src=)| on[a-z]+=", text), file


def test_only_files_of_the_page_are_served() -> None:
    with running(ScriptedChatbot()) as client:
        for path in ("/pages/", "/pages/../app.py", "/pages/%2e%2e/app.py", "/pages//etc/passwd", "/docs"):
            response = httpx.get(f"{client.base_url}{path}")
            assert response.status_code == 404, path
            assert response.headers["content-type"] == "application/problem+json"
