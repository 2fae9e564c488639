"""Nothing is computed twice, nothing is half written, and one row's failure spoils no other."""

import json

import pytest
import torch

from tests.evaluation.toy_data import NUM_CLASSES, OneHotBackbone, create_benchmark
from unstride.evaluation import measures, runner
from unstride.evaluation.candidates import Candidate, create_candidate
from unstride.evaluation.report import (
    cell_statistics,
    format_number,
    provenance,
    table_text,
    write_tables,
)
from unstride.evaluation.results import ResultStore
from unstride.evaluation.runner import run_measures
from unstride.formats.atomic_write import atomic_write_text
from unstride.upsamplers import Upsampler

ROWS = [create_candidate(name, NUM_CLASSES, 4) for name in ("nearest", "bilinear")]


@pytest.fixture
def computed(monkeypatch):
    """Which rows and seeds are computed; the value says which."""
    calls = []

    def fake(benchmark, candidate, seeds):
        calls.extend((candidate.label, seed) for seed in seeds)
        if candidate.label == "stopped":
            raise KeyboardInterrupt
        return [
            {"mIoU": 10.0 * len(candidate.label) + seed, "boundary mIoU": 1.0} for seed in seeds
        ]

    fake = measures.Measure(fake, ("semantic",), ("mIoU",), depends_on_schedule=True)
    monkeypatch.setitem(measures.MEASURES, "segmentation", fake)
    return calls


def run(out, *, rows=ROWS, seeds=2, benchmark=None, measures=("segmentation",), **options):
    benchmarks = [benchmark or create_benchmark()]
    return run_measures(benchmarks, rows, measures, num_seeds=seeds, out=out, **options)


def test_a_second_run_computes_nothing_and_finds_the_same(tmp_path, computed):
    first = run(tmp_path)
    assert computed == [("nearest", 0), ("nearest", 1), ("bilinear", 0), ("bilinear", 1)]
    computed.clear()
    again = run(tmp_path)
    assert computed == []
    assert again.values == first.values
    assert len(list(tmp_path.glob("results/segmentation.patches.nearest.0.*.json"))) == 1
    run(tmp_path, seeds=3)
    assert computed == [("nearest", 2), ("bilinear", 2)]


@pytest.mark.parametrize(
    "change", ["schedule", "grid", "limit", "images", "backbone", "its weights", "row"]
)
def test_a_changed_option_computes_again(change, tmp_path, computed):
    from dataclasses import replace

    class Other(OneHotBackbone):
        name = "other"

    heavy = OneHotBackbone()
    heavy.register_buffer("tensor", torch.ones(1))
    benchmark, rows = create_benchmark(), list(ROWS)
    run(tmp_path)
    computed.clear()
    changed = {
        "schedule": lambda: replace(benchmark, schedule=replace(benchmark.schedule, iterations=7)),
        "grid": lambda: replace(benchmark, probe_stride=2),
        "limit": lambda: replace(benchmark, eval_data=replace(benchmark.eval_data, limit=2)),
        "images": lambda: replace(benchmark, train_data=benchmark.eval_data),
        "backbone": lambda: create_benchmark(Other()),
        "its weights": lambda: create_benchmark(heavy),
        "row": lambda: benchmark,
    }[change]()
    if change == "row":
        rows = [
            create_candidate("joint_bilateral:sigma_range=0.2,label=nearest", NUM_CLASSES, 4),
            rows[1],
        ]
    run(tmp_path, rows=rows, benchmark=changed)
    assert len(computed) == (2 if change == "row" else 4)
    run(tmp_path)  # both are kept
    assert len(computed) == (2 if change == "row" else 4)


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(tmp_path):
    """With the real measure: which seeds are left does not change any of them."""
    whole = run(tmp_path / "whole", rows=ROWS[:1])
    run(tmp_path / "stopped", rows=ROWS[:1], seeds=1)
    again = run(tmp_path / "stopped", rows=ROWS[:1])
    assert again.values == whole.values


def test_a_stop_in_the_middle_keeps_what_is_done(tmp_path, computed):
    rows = [ROWS[0], Candidate("stopped", ROWS[1].module)]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, rows=rows)
    computed.clear()
    run(tmp_path)
    assert computed == [("bilinear", 0), ("bilinear", 1)]


def test_a_damaged_result_is_computed_again(tmp_path, computed):
    run(tmp_path)
    computed.clear()
    (path,) = tmp_path.glob("results/*nearest.1.*.json")
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    run(tmp_path)
    assert computed == [("nearest", 1)]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write_text(tmp_path / "a.json", "text")
    assert list(tmp_path.iterdir()) == []


def test_options_that_differ_in_nothing_but_a_digit_have_files_of_their_own(tmp_path):
    store = ResultStore(tmp_path)
    options = {"measure": "m", "dataset": "d", "row": "a:b=0.1", "seed": 0}
    store.save(options, {"x": 1.0}, 0.0)
    assert store.load(options | {"row": "a:b=0.11"}) is None
    assert store.load(options)["values"] == {"x": 1.0}


class Broken(Upsampler):
    """Fails."""

    def forward(self, features, guide=None, size=None):
        raise IndexError("out of range")


def test_a_row_that_fails_is_named_and_the_others_are_done(tmp_path):
    rows = [Candidate("broken", Broken(NUM_CLASSES)), ROWS[1]]
    lines = []
    results = run(tmp_path, rows=rows, seeds=1, log=lines.append)
    assert results.failures == ["broken, segmentation on patches: IndexError: out of range"]
    assert list(results.values) == [("segmentation", "patches", "bilinear")]
    assert [line.split(":")[0] for line in lines] == ["failed", "segmentation on patches"]
    _, table = table_text(results, rows)
    assert table[0] == ["broken", "-", "-"]


def test_a_measure_is_taken_where_it_fits(tmp_path, computed):
    results = run_measures(
        [create_benchmark(), create_benchmark(kind="depth")],
        ROWS[:1],
        ["segmentation"],
        num_seeds=1,
        out=tmp_path,
    )
    assert list(results.values) == [("segmentation", "patches", "nearest")]
    assert runner.MEASURES["cost"].label_kinds == ()


def test_the_table_has_means_spreads_and_paired_differences(tmp_path, computed):
    results = run(tmp_path, seeds=3)
    column = ("segmentation", "patches", "mIoU")
    cell = cell_statistics(results, "nearest", column)
    assert cell["seeds"] == [70, 71, 72]
    assert (cell["mean"], cell["spread"]) == (71, 1)
    assert (cell["difference"], cell["difference_spread"]) == (-10, 0)
    assert "difference" not in cell_statistics(results, "bilinear", column)
    write_tables(results, ROWS, provenance("the command", 3, 12.0), tmp_path)
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| upsampler | segmentation: mIoU | segmentation: boundary mIoU |" in table
    assert "| nearest | 71.00 +- 1.00 (-10.00) | 1.000 +- 0.000 |" in table
    assert "`the command`" in table
    content = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert content["seeds"] == [0, 1, 2]
    assert {"command", "commit", "machine", "versions", "wall_seconds", "failed"} <= set(content)
    assert content["cells"][0]["row"] == "nearest"


@pytest.mark.parametrize(
    ("value", "magnitude", "text"),
    [
        (46.693, None, "46.69"),
        (0.12345, None, "0.123"),
        (0.3, 46.0, "0.30"),
        (1234.5, None, "1234"),
    ],
)
def test_numbers_have_the_decimals_of_their_size(value, magnitude, text):
    assert format_number(value, magnitude) == text
