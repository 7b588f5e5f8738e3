"""Single-camera multi-object tracking and its metrics."""
