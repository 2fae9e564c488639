"""Calls take turns, the first round is not counted, and the time budget ends the rounds."""

import pytest

from unstride.evaluation import timing
from unstride.evaluation.timing import median_times


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the calls move."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def call_with_times(clock, seconds, name="", order=None):
    """A call that takes the next of these times, in seconds."""
    remaining = iter(seconds)

    def call():
        clock[0] += next(remaining)
        if order is not None:
            order.append(name)

    return call


def test_calls_take_turns_for_as_many_rounds_and_one_to_warm_up(clock):
    order = []
    calls = {name: call_with_times(clock, [1.0] * 10, name, order) for name in "ab"}
    assert median_times(calls, 9) == {"a": 1.0, "b": 1.0}
    assert order == ["a", "b"] * 10


def test_the_first_round_does_not_count(clock):
    calls = {"a": call_with_times(clock, [9.0, 1.0, 2.0])}
    assert median_times(calls, 2) == {"a": 1.5}


@pytest.mark.parametrize(("min_rounds", "rounds"), [(1, 2), (3, 3)])
def test_no_round_begins_after_the_budget_but_the_smallest_number_of_rounds(
    min_rounds, rounds, clock
):
    order = []
    calls = {"a": call_with_times(clock, [4.0] * 10, "a", order)}
    median_times(calls, 9, min_rounds=min_rounds, time_budget=10.0)
    assert len(order) == 1 + rounds
