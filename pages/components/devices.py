"""Which device a session is on, in a few words, as far as its user agent tells."""

import re

UNKNOWN_DEVICE = "Unknown device"
# The first that fits: browsers name those that they descend from as well.
CLIENT_PATTERNS = {
    "Edge": r"Edg(?:e|A|iOS)?/",
    "Opera": r"OPR/|Opera",
    "Samsung Internet": r"SamsungBrowser/",
    "Vivaldi": r"Vivaldi/",
    "Firefox": r"Firefox/|FxiOS/",
    "Headless Chrome": r"HeadlessChrome/",
    "Chrome": r"Chrome/|CriOS/|Chromium/",
    "Safari": r"Version/[\d.]+.*Safari/",
    "curl": r"^curl/",
    "Python": r"^python|^httpx|aiohttp",
}
OS_PATTERNS = {
    "Windows": r"Windows",
    "iPhone": r"iPhone",
    "iPad": r"iPad",
    "Android": r"Android",
    "ChromeOS": r"CrOS",
    "macOS": r"Mac OS X|Macintosh",
    "Linux": r"Linux|X11",
}


def device_label(user_agent: str | None) -> str:
    """`Firefox on Windows`; what cannot be told is left out."""
    given = user_agent or ""
    program, system = _first_match(CLIENT_PATTERNS, given), _first_match(OS_PATTERNS, given)
    if program and system:
        return f"{program} on {system}"
    return program or system or UNKNOWN_DEVICE


def _first_match(known: dict[str, str], given: str) -> str:
    return next((name for name, pattern in known.items() if re.search(pattern, given)), "")
