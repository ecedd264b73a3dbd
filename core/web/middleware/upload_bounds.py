"""Bounds on uploaded files, which stay in this process's memory as long as their page is open."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from core.web.middleware.error_responses import error_response
from core.web.middleware.request_ids import UPLOAD_PREFIX

MAX_FILES_PER_PAGE = 3
MAX_UPLOADS_PER_PERSON, PERIOD_SECONDS = 20, 600.0
MAX_PAGES = 2_000  # remembered, those with the latest upload


class Uploads:
    """Counts the files of each open page, and the uploads of each person in the last minutes."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._files: OrderedDict[str, set[str]] = OrderedDict()
        self._times: dict[int, deque[float]] = {}

    def allow(self, person_id: int, page: str, file: str) -> bool:
        """Count an upload and return True, unless the page or the person has reached a limit."""
        now = self._monotonic()
        self._forget_before(now - PERIOD_SECONDS)
        files, times = self._files.get(page, set()), self._times.get(person_id, deque())
        if len(files | {file}) > MAX_FILES_PER_PAGE or len(times) >= MAX_UPLOADS_PER_PERSON:
            return False
        self._files[page] = files | {file}
        self._files.move_to_end(page)
        if len(self._files) > MAX_PAGES:
            self._files.popitem(last=False)
        self._times[person_id] = times
        times.append(now)
        return True

    def remove(self, page: str, file: str) -> None:
        """Note that a page has dropped a file."""
        self._files.get(page, set()).discard(file)

    def _forget_before(self, at: float) -> None:
        for times in self._times.values():
            while times and times[0] <= at:
                times.popleft()
        self._times = {person_id: times for person_id, times in self._times.items() if times}


class UploadBounds:
    """Refuse uploads beyond the limits with 429. Authentication precedes it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.uploads = Uploads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope.get("state", {}).get("identity")
        if scope["type"] != "http" or not scope["path"].startswith(UPLOAD_PREFIX) or identity is None:
            await self.app(scope, receive, send)
            return
        page, _, file = scope["path"].removeprefix(UPLOAD_PREFIX).partition("/")
        if scope["method"] == "DELETE":
            self.uploads.remove(page, file)
        elif scope["method"] in {"PUT", "POST"} and not self.uploads.allow(identity.person_id, page, file):
            message = f"At most {MAX_FILES_PER_PAGE} files a page, {MAX_UPLOADS_PER_PERSON} uploads in 10 minutes."
            await error_response(429, "too_many_uploads", message)(scope, receive, send)
            return
        await self.app(scope, receive, send)
