"""The one kind of error that a user sees as a sentence instead of a traceback."""


class InputError(ValueError):
    """Something the user gave cannot work: the message says what was expected, what came and the fix.

    The command line prints it as one line and exits with code 2; code that imports the project catches it as a
    `ValueError`.
    """
