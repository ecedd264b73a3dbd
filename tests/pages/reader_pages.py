"""The pages of readers by path, each with a subject in its URL that tests store."""

READER_PAGES: dict[str, dict[str, str]] = {
    "": {},
    "account": {"login": "octo"},
    "repository": {"name": "octo/cat"},
    "repositories": {},
    "languages": {},
    "movers": {},
    "changes": {},
    "compare": {"with": "octo/cat,octo/dog"},
    "scene": {},
    "search": {"q": "octo"},
}
