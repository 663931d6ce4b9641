"""The error that a user sees as one sentence instead of a traceback, and what turns errors of the system into it."""

import contextlib
import errno
import os
import sys


class InputError(ValueError):
    """Invalid input of the user: the message says what was expected, what was given and how to fix it.

    The command line prints it as one line and exits with code 2; code that imports the project can catch it as a
    `ValueError`. File names within the message are made `printable`.
    """

    def __init__(self, message):
        super().__init__(printable(message))


def printable(text):
    r"""Returns text with names of files as a terminal may show it: control characters and undecodable bytes escaped.

    A file can have any name; unescaped, it could clear the screen, forge a line, or stop `print` with an error.

    >>> print(printable("café\x1b[2J\nnext\udcff.png"))
    café\x1b[2J\nnext\udcff.png
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


ADVICE = {
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room on the disk, or choose another folder",
    errno.EACCES: "choose a folder that can be read and written",
    errno.EPERM: "choose a folder that can be read and written",
    errno.EROFS: "choose a folder that can be read and written",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.ENOENT: "check the path; it may have been removed meanwhile",
}


@contextlib.contextmanager
def in_sentences():
    """Turns errors of the system within it (disk, memory, encoding) into an `InputError`, for the command lines.

    The output may go to a program that stops reading, such as `head`, may be closed, and may not be able to show every
    character. With GAN_COOKBOOK_TRACEBACK=1 the traceback is shown.
    """
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        sys.exit(141)  # as a program that SIGPIPE ended
    except (OSError, MemoryError, RecursionError, UnicodeError) as error:
        if os.environ.get("GAN_COOKBOOK_TRACEBACK"):
            raise
        raise InputError(sentence_of(error)) from error


def exit_code(function, *arguments, stopped=None):
    """Calls the function of a command line; returns the exit code for the shell.

    An `InputError`, or an error of the system, is printed as one sentence, with exit code 2; after Ctrl-C it is 130.

    Args:
        function: its value is the exit code; None stands for 0.
        *arguments: of the function.
        stopped: string, printed after Ctrl-C.
    """
    try:
        with in_sentences():
            return function(*arguments) or 0
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if stopped:
            print(f"\n{stopped}")
        return 130


def open_closed_streams():
    """Opens the standard streams that a shell's `<&-` or `>&-` has closed, for input that is empty and output unread.

    Otherwise the next files that are opened would take their place, and get what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # becomes the lowest number that is free, this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")


def sentence_of(error):
    """Returns an error of the system as a sentence.

    >>> sentence_of(OSError(errno.ENOSPC, "No space left on device", "runs/log.csv"))
    'runs/log.csv: No space left on device; make room on the disk, or choose another folder.'
    """
    if isinstance(error, MemoryError):
        return "The memory is not sufficient; use a smaller --size, --batch-size or network."
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}; {ADVICE.get(error.errno, 'check the path and the disk')}."
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}; with GAN_COOKBOOK_TRACEBACK=1 the place is shown."
