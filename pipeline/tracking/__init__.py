"""Trackers on labelled sequences: read them, embed them once, replay trackers, score, draw."""
