"""The operator's web interface."""
