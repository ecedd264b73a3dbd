"""
# Overview
What Almanac watches, how fresh it is, and what moves.
"""

"""
Tracking starts on the command line: `python -m ingest track LOGIN`.
"""
