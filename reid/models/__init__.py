"""Networks that turn crops into features."""
