"""The API documentation is complete and loads nothing from other hosts."""

import re


def test_every_operation_documents_its_responses(analyst):
    described = analyst.get("/api/openapi.json").json()
    operations = [(path, one) for path, methods in described["paths"].items() for one in methods.values()]
    assert len({one["operationId"] for _, one in operations}) == len(operations) > 30
    for path, one in operations:
        assert re.fullmatch(r"[a-z_]+", one["operationId"]), path
        assert one["summary"].endswith((".", "all rows.")), path
        assert {"401", "422", "429", "503"} <= set(one["responses"]), path
        for status in ("401", "422", "429", "503"):
            schema = one["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}, path
    assert set(described["components"]["schemas"]["Error"]["properties"]) == {"error", "message", "request_id"}
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert described["security"] == [{"bearer": []}, {"cookie": []}]
    assert described["paths"]["/v1/auth/login"]["post"]["security"] == []


def test_admin_routes_document_their_403(analyst):
    described = analyst.get("/api/openapi.json").json()
    for path, methods in described["paths"].items():
        if "/tracked" in path or "/ingestions" in path:
            assert all("403" in one["responses"] for one in methods.values()), path


def test_file_formats_have_no_page_parameters(analyst):
    paths = analyst.get("/api/openapi.json").json()["paths"]
    names = {one["name"] for one in paths["/v1/languages.csv"]["get"]["parameters"]}
    assert names == {"as_of", "source", "vs"}


def test_the_page_has_no_external_resources_and_no_inline_script(analyst):
    page = analyst.get("/api/docs").text
    assert not re.search(r"https?://", page)
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", page)
    for name in re.findall(r'(?:src|href)="(docs/[^"]+)"', page):
        part = analyst.get(f"/api/{name}")
        assert part.status_code == 200, name
        assert len(part.content) > 200
        assert analyst.get(f"/api/{name}", headers={"if-none-match": part.headers["etag"]}).status_code == 304
