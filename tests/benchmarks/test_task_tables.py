"""The table of operators: differences between runs of the same seed, and windows full of edges."""

import pytest
import torch

from benchmarks.task_figures import WINDOW_SIZE, busiest_window
from benchmarks.task_tables import markdown_table, paired_difference, standard_deviation
from unstride.viz.label_overlay import label_boundaries

NEAREST, OTHER = [60.0, 62.0, 61.0], [61.5, 62.5, 63.0]


def test_an_interval_is_that_of_the_paired_t_test():
    scipy_stats = pytest.importorskip("scipy.stats")
    interval = scipy_stats.ttest_rel(OTHER, NEAREST).confidence_interval(0.95)
    middle, reach = paired_difference(OTHER, NEAREST)
    assert middle - reach == pytest.approx(interval.low, abs=1e-3)
    assert middle + reach == pytest.approx(interval.high, abs=1e-3)


def test_one_seed_has_no_interval():
    middle, reach = paired_difference([61.5], [60.0])
    assert middle == 1.5
    assert reach != reach
    assert standard_deviation([61.5]) == 0


def test_a_row_has_mean_spread_and_difference():
    rows = {
        "nearest": [{"miou": value} for value in NEAREST],
        "carafe": [{"miou": value} for value in OTHER],
    }
    lines = markdown_table(rows, {"parameters": {"nearest": "+0", "carafe": "+9"}})
    assert lines[0] == "| operator | miou | parameters |"
    assert lines[2] == "| nearest | 61.00 ± 1.00 | +0 |"
    assert lines[3] == "| carafe | 62.33 ± 0.76 (+1.33 ± 1.90) | +9 |"


def test_the_window_has_the_most_edges():
    labels = (torch.rand(200, 260, generator=torch.Generator().manual_seed(0)) > 0.999).long()
    found, (h, w) = label_boundaries(labels), WINDOW_SIZE
    most = max(
        int(found[top : top + h, left : left + w].sum())
        for top in range(200 - h + 1)
        for left in range(260 - w + 1)
    )
    assert int(found[busiest_window(labels)].sum()) == most > 0
