"""The error that a user sees as one sentence instead of a traceback."""


class InputError(ValueError):
    """Invalid input of the user: the message says what was expected, what was given and how to fix it.

    The command line prints it as one line and exits with code 2; code that imports the project can catch it as a
    `ValueError`.
    """
