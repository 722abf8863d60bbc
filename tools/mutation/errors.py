"""What stops the command."""


class MutationError(Exception):
    """Its text says what is wrong and what to do; the exit code is 2."""
