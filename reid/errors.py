"""What an operator can do wrong with the ReID commands."""


class ReidError(ValueError):
    """One clear line that names the file and key; the command line exits with code 2."""
