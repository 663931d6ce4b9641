"""Parses command-line options into dataclasses; an error is one sentence. Does not import Keras."""

import contextlib
import dataclasses
import io
import itertools
import re

import tyro

from common.base.errors import InputError
from common.base.ranges import check_ranges


def parse(command, description, classes, arguments):
    """Returns one object of each dataclass, parsed from one flat set of options.

    Args:
        command: string, the command as a user types it, without options.
        description: string, what the command does, for `--help`.
        classes: dictionary from titles to dataclasses that have a default for every field.
        arguments: list of strings.

    Raises:
        InputError: if an option is unknown or its value is invalid. `--help` ends the program.
    """
    refuse_empty(arguments)
    fields = [(title, part, part()) for title, part in classes.items()]
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            options = tyro.cli(
                dataclasses.make_dataclass("Options", fields, frozen=True),
                args=arguments,
                prog=command,
                description=description,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as end:
        if end.code:
            raise InputError(one_sentence(errors.getvalue(), f"{command} --help")) from None
        raise
    parts = [getattr(options, title) for title in classes]
    given = {argument[2:].partition("=")[0].replace("-", "_") for argument in arguments if argument.startswith("--")}
    for part in parts:
        check_ranges(part)
        check_given(part, given)
    return parts


def check_given(options, given):
    """Refuses options without a value, and what the method `check_given` of a dataclass refuses, if it has one.

    That method is for options that others leave without effect: better an error than a training with other data. It is
    called before any work, and raises an `InputError`.

    Args:
        options: dataclass; its fields that are dataclasses are checked as well.
        given: set of strings, the names of the fields that were given on the command line. The method gets those of
            its own with another value than the default, which may always be given.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            check_given(value, given)
        elif value == () and field.name in given:
            raise InputError(f"{as_option(field.name)} has no value; give it one or more, or leave it out.")
    if hasattr(options, "check_given"):
        own = {field.name for field in dataclasses.fields(options) if getattr(options, field.name) != field.default}
        options.check_given(given & own)


def refuse_ignored(given, name, reason):
    """Raises an `InputError` if an option was given that has no effect for a reason, such as "with --data"."""
    if name in given:
        raise InputError(f"{as_option(name)} has no effect {reason}; leave it out.")


def refuse_missing(name, path):
    """Raises an `InputError` if the path in an option is given and does not exist."""
    if path is not None and not path.exists():
        raise InputError(f"{as_option(name)} expects images, but {path} does not exist; check the path.")


def as_option(name):
    return f"--{name.replace('_', '-')}"


def refuse_empty(arguments):
    """Raises an `InputError` for an empty value, such as of an unset variable: as a path it is the current folder."""
    for before, argument in itertools.pairwise(["", *arguments]):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            option = (argument or before).rstrip("=")
            raise InputError(f"{option or 'An argument'} has an empty value; give it one, or leave it out.")


def one_sentence(message, help_command):
    """Returns tyro's message of several lines as one sentence, with the option that it suggests, if any.

    Tyro draws a box around it, or, if the output is not UTF-8, only rules; then the first block is a title.
    """
    lines = [line.strip("│| ") for line in message.splitlines()]
    is_rule = [line.startswith(("╭", "╰", "──", "--" * 5)) for line in lines]
    blocks = [
        [line for line, _ in group]
        for rule, group in itertools.groupby(zip(lines, is_rule, strict=True), key=lambda pair: pair[1])
        if not rule
    ]
    problem = in_words(" ".join(blocks[0 if lines[0].startswith("╭") else 1]).rstrip("."))
    suggestion = next((line.split()[0] for line in lines if line.startswith("--") and line[2:3].isalpha()), None)
    hint = f"did you mean {suggestion}? " if suggestion and "meant" in message else ""
    return f"{problem}; {hint}all options: {help_command}"


def in_words(problem):
    """Returns what tyro says about a value that is of another type, without the names of Python.

    >>> in_words("Error parsing --steps: invalid literal for int() with base 10: 'abc'")
    "--steps expects a whole number, but is 'abc'"
    """
    of_value = re.match(r"Error parsing (--[\w-]+): .*?(int\(\)|float).*('.*')", problem)
    if of_value:
        kind = "a number" if of_value[2] == "float" else "a whole number"
        return f"{of_value[1]} expects {kind}, but is {of_value[3]}"
    of_several = re.match(r"Error parsing (--[\w-]+): Could not parse arguments \[(.*?)\]", problem)
    return f"{of_several[1]} expects values of other types than {of_several[2]}" if of_several else problem
