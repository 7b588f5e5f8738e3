"""Re-ranking of a ranking by the neighbourhoods of queries and gallery, one method per file."""
