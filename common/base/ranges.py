"""Numeric types with ranges for the fields of a recipe's `Config`, and their check.

A `Config` is a frozen dataclass that `tyro` reads from the command line; the comment after a field is its help text.
"""

import dataclasses
import math
from typing import Annotated, get_args, get_type_hints

from common.base.errors import InputError


@dataclasses.dataclass(frozen=True)
class Range:
    """The values that an option may have: from `low`, included if `includes_low`, to `high`, not included."""

    low: float
    high: float = math.inf
    includes_low: bool = True

    def __contains__(self, value):
        above = value >= self.low if self.includes_low else value > self.low
        return above and value < self.high  # false for NaN

    def __str__(self):
        low = f"{'at least' if self.includes_low else 'above'} {self.low:,}"
        return low if self.high == math.inf else f"{low} and below {self.high:,}"


# The upper ends are far above whatever trains, and below what fills the memory before it fails.
Count = Annotated[int, Range(1, 10_000_000)]
Several = Annotated[int, Range(2, 10_000_000)]
Width = Annotated[int, Range(1, 20_000)]  # of a layer: units, filters
Seed = Annotated[int, Range(0, 2**31)]
Rate = Annotated[float, Range(0, includes_low=False)]
Share = Annotated[float, Range(0, 1)]  # a fraction, such as the momentum of a moving average
Weight = Annotated[float, Range(0)]  # of a loss term


def check_ranges(config):
    """Raises an `InputError` for the first field of a dataclass that is outside the `Range` of its type.

    Fields that are dataclasses are checked as well.
    """
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            check_ranges(value)
        parts = (hint, *get_args(hint))  # of "Count | None" and "tuple[Count, Count]" too
        for allowed in (range_ for part in parts for range_ in getattr(part, "__metadata__", ())):
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(allowed, Range) and number is not None and number not in allowed:
                    raise InputError(f"--{name.replace('_', '-')} must be {allowed}, but is {number}.")
