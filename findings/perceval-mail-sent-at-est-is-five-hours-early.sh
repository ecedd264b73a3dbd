#!/bin/sh
# perceval 1.6.1 with grimoirelab-toolkit 1.2.9: a mail's time zone that has letters is taken for UTC.
#
# Expected: "Date: Mon, 05 Jan 2026 20:00:00 EST" is 01:00 UTC of the next day. RFC 5322 (4.3) has readers accept EST,
#           PDT and six more and says how many hours they are; Python's email.utils reads them.
# Seen:     the MBox backend's updated_on is 20:00 UTC of the 5th, five hours early; with PDT it is seven. The same mail
#           with -0500 is right, and so is "-0500 (EST)". Only a Python warning says so, and it goes to stderr.
# Matters:  mail of the years in which many projects still worked by mail has such dates. Days and hours of activity,
#           first answers and what comes after which are wrong for one part of the senders, and only for that part.
# Instead:  email.utils.parsedate_to_datetime(item["data"]["Date"]), which the item keeps as it was written.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q perceval==1.6.1 grimoirelab-toolkit==1.2.9
export HOME="$tmp"
"$tmp/venv/bin/python" -W ignore - "$tmp" <<'PY'
import pathlib
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version

from perceval.backends.core.mbox import MBox

MAIL = """\
From ada@example.org Mon Jan  5 20:00:00 2026
From: Ada <ada@example.org>
Message-ID: <{number}@example.org>
Date: Mon, 05 Jan 2026 20:00:00 {zone}
Subject: Patch {number}

Hello

"""
ZONES = ("EST", "PDT", "-0500", "-0500 (EST)", "GMT")

folder = pathlib.Path(sys.argv[1]) / "mails"
folder.mkdir()
mails = (MAIL.format(number=number, zone=zone) for number, zone in enumerate(ZONES))
(folder / "list.mbox").write_text("".join(mails))
items = list(MBox("list", str(folder)).fetch())
hours = []
for item in items:
    written = parsedate_to_datetime(item["data"]["Date"])
    hours.append((written - datetime.fromtimestamp(item["updated_on"], UTC)).total_seconds() / 3600)
early = dict(zip(ZONES, hours, strict=True))
print(f"perceval {version('perceval')}, grimoirelab-toolkit {version('grimoirelab-toolkit')}: hours that updated_on is"
      f" early, expected 0; seen {early}")
assert early == {"EST": 5, "PDT": 7, "-0500": 0, "-0500 (EST)": 0, "GMT": 0}
PY
