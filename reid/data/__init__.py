"""Data sets, samplers and augmentation."""
