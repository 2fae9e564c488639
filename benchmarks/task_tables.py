"""Tables and plots of the scores of operators, compared with nearest neighbour."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

# By operator: for each seed, the scores by measure.
OperatorScores = Mapping[str, Sequence[Mapping[str, float]]]

T_QUANTILES = {  # by the number of seeds n: the 97.5 % point with n - 1 degrees of freedom
    2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262,
}  # fmt: skip


def markdown_table(
    by_operator: OperatorScores, columns: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Lines of Markdown: for each measure the mean, its deviation, the difference to nearest.

    Args:
        by_operator: scores, including those of "nearest".
        columns: further columns, by title and operator.
    """
    measures = list(by_operator["nearest"][0])
    headings = ["operator", *measures, *columns]
    lines = [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
    for operator, scores in by_operator.items():
        cells = [operator]
        for measure in measures:
            values = [score[measure] for score in scores]
            text = f"{statistics.mean(values):.2f} ± {standard_deviation(values):.2f}"
            if operator != "nearest":
                baseline = [score[measure] for score in by_operator["nearest"]]
                difference, half_width = paired_difference(values, baseline)
                text += f" ({difference:+.2f} ± {half_width:.2f})"
            cells.append(text)
        cells += [column[operator] for column in columns.values()]
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


def plot_differences(by_operator: OperatorScores, path: Path) -> None:
    """Plot for each measure the differences to nearest: a dot per seed, a line for the mean."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    others = [operator for operator in by_operator if operator != "nearest"][::-1]
    measures = list(by_operator["nearest"][0])
    size = (4.2 * len(measures) + 1.5, 0.32 * len(others) + 1.4)
    figure, [panels] = plt.subplots(
        1, len(measures), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, measure in zip(panels, measures, strict=True):
        baseline = [score[measure] for score in by_operator["nearest"]]
        for y, operator in enumerate(others):
            values = [score[measure] for score in by_operator[operator]]
            differences = [a - b for a, b in zip(values, baseline, strict=True)]
            panel.plot(differences, [y] * len(differences), "o", color="C0", alpha=0.6)
            panel.plot([statistics.mean(differences)] * 2, [y - 0.3, y + 0.3], color="C3")
        panel.axvline(0, color="0.6", linewidth=1)
        panel.set_title(f"{measure}, minus nearest's")
    panels[0].set_yticks(range(len(others)), others)
    figure.savefig(path, dpi=110)
    plt.close(figure)
