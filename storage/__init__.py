"""The database and media files: the only truth about what was seen."""
