"""Losses and mining rules, one per file."""
