"""Tables and plots of the scores of several trainings, compared with one of them by seed."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

# By training: for each seed, the scores by measure.
Scores = Mapping[str, Sequence[Mapping[str, float]]]

T_QUANTILES = {  # by the number of seeds n: the 97.5 % point with n - 1 degrees of freedom
    2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262,
}  # fmt: skip


def markdown_table(
    scores: Scores,
    columns: Mapping[str, Mapping[str, str]],
    *,
    baseline: str = "nearest",
    title: str = "operator",
    digits: int = 2,
) -> list[str]:
    """Lines of Markdown: for each measure the mean, its deviation, the difference to the baseline.

    Args:
        scores: scores, including those of the baseline.
        columns: further columns, by title and training.
        baseline: the training that others are compared with.
        title: heading of the first column.
        digits: after the point.
    """
    measures = list(scores[baseline][0])
    headings = [title, *measures, *columns]
    lines = [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
    for name, by_seed in scores.items():
        cells = [name]
        for measure in measures:
            values = [score[measure] for score in by_seed]
            mean, deviation = statistics.mean(values), standard_deviation(values)
            text = f"{mean:.{digits}f} ± {deviation:.{digits}f}"
            if name != baseline:
                base = [score[measure] for score in scores[baseline]][: len(values)]
                difference, half_width = paired_difference(values, base)
                text += f" ({difference:+.{digits}f} ± {half_width:.{digits}f})"
            cells.append(text)
        cells += [column[name] for column in columns.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def standard_deviation(values: Sequence[float]) -> float:
    """The standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> tuple[float, float]:
    """The mean difference of values with the same seed, and half the width of its 95 % interval."""
    differences = [a - b for a, b in zip(values, baseline, strict=True)]
    count = len(differences)
    half_width = (
        T_QUANTILES[count] * standard_deviation(differences) / count**0.5
        if count > 1
        else float("nan")
    )
    return statistics.mean(differences), half_width


def plot_differences(scores: Scores, path: Path, baseline: str = "nearest") -> None:
    """Plot each measure's differences to the baseline: a dot per seed, a line for the mean."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    others = [name for name in scores if name != baseline][::-1]
    measures = list(scores[baseline][0])
    size = (4.2 * len(measures) + 1.5, 0.32 * len(others) + 1.4)
    figure, [panels] = plt.subplots(
        1, len(measures), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, measure in zip(panels, measures, strict=True):
        base = [score[measure] for score in scores[baseline]]
        for y, name in enumerate(others):
            values = [score[measure] for score in scores[name]]
            differences = [a - b for a, b in zip(values, base, strict=False)]
            panel.plot(differences, [y] * len(differences), "o", color="C0", alpha=0.6)
            panel.plot([statistics.mean(differences)] * 2, [y - 0.3, y + 0.3], color="C3")
        panel.axvline(0, color="0.6", linewidth=1)
        panel.set_title(f"{measure}, minus {baseline}'s")
    panels[0].set_yticks(range(len(others)), others)
    figure.savefig(path, dpi=110)
    plt.close(figure)
