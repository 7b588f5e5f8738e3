"""The in-house person re-identification models, losses, training and distances."""
