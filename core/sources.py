"""Sources of captures (`source` in the database): this installation, and every imported history."""

OWN_SOURCE_ID = 1
CLOSER_LOCK = 0x636C6F74  # "clot"
"""Advisory lock key: held by whoever closes history, shared by whoever changes a capture that may be closed."""
