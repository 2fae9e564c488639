"""Scores of several operators and seeds as a table and as a plot, against nearest neighbour's."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

OperatorScores = Mapping[
    str, Sequence[Mapping[str, float]]
]  # by operator: for each seed scores by measure

T_QUANTILES = {  # by the number of seeds n: the 97.5 % point with n - 1 degrees of freedom
    2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262,
}  # fmt: skip


def markdown_table(rows: OperatorScores, columns: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Lines of Markdown: for each measure the mean, its deviation, the difference to nearest.

    Args:
        rows: with those of "nearest".
        columns: more of them, by title and operator.
    """
    measures = list(rows["nearest"][0])
    heads = ["operator", *measures, *columns]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for operator, scores in rows.items():
        cells = [operator]
        for measure in measures:
            values = [score[measure] for score in scores]
            text = f"{statistics.mean(values):.2f} ± {standard_deviation(values):.2f}"
            if operator != "nearest":
                against = [score[measure] for score in rows["nearest"]]
                middle, reach = paired_difference(values, against)
                text += f" ({middle:+.2f} ± {reach:.2f})"
            cells.append(text)
        cells += [column[operator] for column in columns.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def standard_deviation(values: Sequence[float]) -> float:
    """Standard deviation, 0 of one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def paired_difference(values: Sequence[float], against: Sequence[float]) -> tuple[float, float]:
    """The mean difference of values with the same seed, and half its 95 % interval."""
    differences = [a - b for a, b in zip(values, against, strict=True)]
    count = len(differences)
    reach = (
        T_QUANTILES[count] * standard_deviation(differences) / count**0.5
        if count > 1
        else float("nan")
    )
    return statistics.mean(differences), reach


def plot_differences(rows: OperatorScores, path: Path) -> None:
    """For each measure, the differences to nearest: every seed a dot, the mean a line."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    others = [operator for operator in rows if operator != "nearest"][::-1]
    measures = list(rows["nearest"][0])
    size = (4.2 * len(measures) + 1.5, 0.32 * len(others) + 1.4)
    figure, [panels] = plt.subplots(
        1, len(measures), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, measure in zip(panels, measures, strict=True):
        against = [score[measure] for score in rows["nearest"]]
        for place, operator in enumerate(others):
            values = [score[measure] for score in rows[operator]]
            each = [a - b for a, b in zip(values, against, strict=True)]
            panel.plot(each, [place] * len(each), "o", color="C0", alpha=0.6)
            panel.plot([statistics.mean(each)] * 2, [place - 0.3, place + 0.3], color="C3")
        panel.axvline(0, color="0.6", linewidth=1)
        panel.set_title(f"{measure}, minus nearest's")
    panels[0].set_yticks(range(len(others)), others)
    figure.savefig(path, dpi=110)
    plt.close(figure)
