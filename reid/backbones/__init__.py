"""Convolutional trunks."""
