"""Times variants of something in turns, so that other load on the machine affects all alike."""

import statistics
import time


def interleaved(ways, rounds, repeats):
    """Returns the median seconds of each variant; a round runs all of them, starting with a different one each time."""
    seconds = {name: [] for name in ways}
    for way in ways.values():
        way(), way()
    names = list(ways)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            for _ in range(repeats):
                ways[name]()
            seconds[name].append((time.perf_counter() - start) / repeats)
    return {name: statistics.median(values) for name, values in seconds.items()}
