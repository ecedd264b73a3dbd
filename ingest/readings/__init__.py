"""Facts besides the pulse, each kind in a rhythm of its own: from what is due to committed rows. Safe to repeat."""

from ingest.readings.reader import Reader
from ingest.readings.runs import ReadingRun

__all__ = ["Reader", "ReadingRun"]
