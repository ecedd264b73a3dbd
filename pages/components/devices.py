"""Short labels of devices, from the user agent of a session.

ua-parser is not simpler: its names (`Mobile Safari`, `iOS`, `Mac OS X`) would need a table of ours all the same, and its
first call takes half a second.
"""

import re

UNKNOWN_DEVICE = "Unknown device"
# The first match counts: browsers also name the browsers they derive from.
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
    """Return `Firefox on Windows`, one of the two where the other is unknown, or `Unknown device`."""
    text = user_agent if isinstance(user_agent, str) else ""  # pandas passes NA
    client = _first_match(CLIENT_PATTERNS, text)
    system = _first_match(OS_PATTERNS, text)
    if client and system:
        return f"{client} on {system}"
    return client or system or UNKNOWN_DEVICE


def _first_match(patterns: dict[str, str], user_agent: str) -> str:
    return next((name for name, pattern in patterns.items() if re.search(pattern, user_agent)), "")
