"""Times several calls against each other in one process."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key")


def median_times(
    calls: Mapping[Key, Callable[[], Any]],
    max_rounds: int,
    *,
    min_rounds: int = 1,
    time_budget: float = math.inf,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[Key, float]:
    """Measure the median time of each call in seconds; the calls take turns.

    A first round, which is not counted, warms the calls up.

    Args:
        calls: what to time, by name.
        max_rounds: number of counted rounds.
        min_rounds: number of counted rounds that run whatever they take. Default: 1.
        time_budget: seconds after which no further round begins. Default: no limit.
        track: wraps the iterable of rounds, for example to show a progress bar.
    """
    times: dict[Key, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    for round_index in track(range(max_rounds + 1)):
        if round_index > min_rounds and time.perf_counter() - begin > time_budget:
            break
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_index:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}
