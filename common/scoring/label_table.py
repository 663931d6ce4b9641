"""A table of a user's labels of samples: a CSV with the columns sample and label."""

import numpy as np

from common.base.errors import InputError
from common.base.tables import rows_of

FEWEST = 20  # rows from which a direction is found
DIGITS = 18  # of a number of a sample; Python refuses to convert thousands
LARGEST = 1e100  # label whose square a float holds


def read_labels(path, count):
    """Returns the numbers of the labelled samples, an integer array, and their labels: floats, or bools of two words.

    Args:
        path: path of the table. A label is a number, or one of two words; of words the second one in the alphabet is
            True.
        count: integer, samples that there are.

    Raises:
        InputError: if a column or a label is missing, a sample is none of these or is labelled twice, or there are
            too few.
    """
    rows = [row for _, row in rows_of(path, ("sample", "label"))]
    numbers, labels = [row["sample"] for row in rows], [row["label"] for row in rows]
    for line, (number, label) in enumerate(zip(numbers, labels, strict=True), 2):
        if not number.isdecimal() or len(number) > DIGITS or int(number) >= count:
            raise InputError(
                f"Line {line} of {path} labels sample {number!r}; expected a number from 0 to {count - 1}."
            )
        if not label:
            raise InputError(f"Line {line} of {path} has no label; give sample {number} one, or remove the line.")
    if len(set(map(int, numbers))) < len(numbers):
        twice = max(numbers, key=numbers.count)
        raise InputError(f"{path} labels sample {twice} more than once; leave one of the lines.")
    if len(rows) < FEWEST:
        raise InputError(f"{path} has {len(rows)} labels; a direction needs at least {FEWEST}.")
    return np.array(numbers, int), values_of(labels, path)


def values_of(labels, path):
    """Returns labels as floats, or as bools if they are two words."""
    try:
        values = np.array(labels, float)
    except ValueError:
        words = sorted(set(labels))
        if len(words) != 2:
            raise InputError(
                f"{path} has {len(words)} different labels ({', '.join(words[:5])} …); expected numbers, or two words."
            ) from None
        return np.array(labels) == words[1]
    if not (np.abs(values) < LARGEST).all():  # nor those that are no number
        raise InputError(f"{path} has a label that is not finite, or too large; expected numbers, or two words.")
    return values
