"""`/api/docs`: interactive API documentation by Swagger UI, whose files come from the package fastapi-swagger.

FastAPI's own page loads scripts from a CDN and has inline ones; the content security policy forbids both.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from core.web.api.conditional import SignedInIdentity
from core.web.middleware.error_responses import unknown_path_response

router = APIRouter(include_in_schema=False)
PACKAGE = "fastapi_swagger.resources"
# The package has more files than these two; they are not served.
PACKAGED_FILES: Mapping[str, str] = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Almanac API</title>
<link rel="icon" type="image/svg+xml" href="/app/static/favicon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/docs.css">
</head>
<body>
<div id="api"></div>
<noscript>The OpenAPI description is at <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/docs.js"></script>
</body>
</html>
"""

SCRIPT = """"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();
SwaggerUIBundle({
  url: new URL("openapi.json", location.href).href,
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
"""

STYLE = """body { margin: 0; background: #ffffff; }
html.dark-mode body { background: #0b1222; }
html.dark-mode .swagger-ui .scheme-container { background: #131c31; }
.swagger-ui .info { margin: 24px 0; }
.swagger-ui .info .title, .swagger-ui, .swagger-ui .opblock-tag { font-family: Inter, system-ui, sans-serif; }
@media (max-width: 640px) {
  .swagger-ui .wrapper { padding: 0 10px; }
  .swagger-ui .opblock .opblock-summary-description { display: none; }
}
"""
OWN_FILES: Mapping[str, tuple[str, str]] = {"docs.js": (SCRIPT, "text/javascript"), "docs.css": (STYLE, "text/css")}


@router.get("/docs")
def docs_page(_identity: SignedInIdentity) -> Response:
    return Response(PAGE, media_type="text/html; charset=utf-8", headers={"cache-control": "private, no-cache"})


@router.get("/docs/{name}")
async def docs_file(name: str, request: Request, _identity: SignedInIdentity) -> Response:
    if name not in OWN_FILES and name not in PACKAGED_FILES:
        return await unknown_path_response(request)
    body, media_type, etag = _load_file(name)
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=f"{media_type}; charset=utf-8", headers=headers)


@lru_cache(maxsize=8)
def _load_file(name: str) -> tuple[bytes, str, str]:
    if name in OWN_FILES:
        text, kind = OWN_FILES[name]
        body = text.encode()
    else:
        body, kind = (files(PACKAGE) / name).read_bytes(), PACKAGED_FILES[name]
    return body, kind, f'"{sha256(body).hexdigest()[:32]}"'
