"""Sources of captures (`source` in the database): this installation, and every imported history."""

OWN_SOURCE_ID = 1
