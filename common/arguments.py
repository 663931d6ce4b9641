"""Options of the command line, read into dataclasses; errors as sentences. Imports no Keras."""

import contextlib
import dataclasses
import io
import itertools
import sys

import tyro

from common.errors import InputError
from common.options import check_ranges


def fail(error):
    print(f"Error: {error}", file=sys.stderr)
    return 2


def parse(command, description, classes, arguments):
    """Returns one object of each dataclass, from one flat set of options.

    Args:
        command: string, as a user types it before the options.
        description: string, what it does.
        classes: dictionary from titles to dataclasses that have a default for every field.
        arguments: list of strings.

    Raises:
        InputError: if an option is unknown, or its value cannot be; ends the program after `--help`.
    """
    fields = [(title, part, part()) for title, part in classes.items()]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = tyro.cli(
                dataclasses.make_dataclass("Options", fields, frozen=True),
                args=arguments,
                prog=command,
                description=description,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as end:
        if end.code:
            raise InputError(one_sentence(said.getvalue(), f"{command} --help")) from None
        raise
    parts = [getattr(options, title) for title in classes]
    for part in parts:
        check_ranges(part)
    return parts


def one_sentence(box, help_command):
    """Returns what tyro says in a box of several lines as one sentence, with the option that was perhaps meant."""
    lines = [line.strip("│| ") for line in box.splitlines() if line.startswith(("│", "|"))]
    problem = " ".join(itertools.takewhile(lambda line: not line.startswith("──"), lines)).rstrip(".")
    meant = next((line.split()[0] for line in lines[1:] if line.startswith("--")), None) if "meant" in box else None
    return f"{problem}; {f'did you mean {meant}? ' if meant else ''}all options: {help_command}"
