"""Ways to break losses."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/losses/featup.py", ("tests/losses/test_featup.py",),
        ("likelihood: doubt is a variance", "2 * sigma.square()", "2 * sigma"),
        ("likelihood: doubt is free", " + sigma.log()", ""),
        ("variation: rows alone", "return down + (features", "return down + 0 * (features"),
        ("the doubt starts large", "parameter.mul_(0.1)", "parameter.mul_(1)"),
        ("doubt unbounded", ".clamp(min=1e-4)", ""),
        ("crf: place does not count", "-position_distance / (2 * APPEARANCE_POSITION_WIDTH)\n", "-0.0\n"),
        ("crf: wide is close", "2 * SMOOTHNESS_WIDTH", "2 * APPEARANCE_POSITION_WIDTH"),
        ("crf: channels are summed", " / sampled_features.shape[2]", ""),
    ),
    *mutants_of(
        "unstride/losses/photometric.py", ("tests/losses/test_photometric.py", "-k", "not truth"),
        ("the variance is the mean square", "variance = _box_mean(image.square()) - mean.square()", "variance = _box_mean(image.square())"),
        ("the border repeated", 'mode="reflect"', 'mode="replicate"'),
        ("constants exchanged", "C1, C2 = 0.01**2, 0.03**2", "C2, C1 = 0.01**2, 0.03**2"),
        ("shares exchanged", "SSIM_WEIGHT = 0.85", "SSIM_WEIGHT = 0.15"),
        ("not halved", "((1 - ssim(image, other)) / 2)", "(1 - ssim(image, other))"),
        ("the mean of the sources", ".amin(0)", ".mean(0)"),
        ("no auto-mask", "torch.minimum(error, identity).mean(), error < identity", "error.mean(), error < identity"),
        ("no noise", "TIE_BREAK_NOISE = 1e-5", "TIE_BREAK_NOISE = 0.0"),
        ("noise that matters", "TIE_BREAK_NOISE = 1e-5", "TIE_BREAK_NOISE = 1e-1"),
        ("the mask inverted", "error < identity", "error > identity"),
        ("the mean of all disparities", "disparity.mean((1, 2), keepdim=True)", "disparity.mean()"),
        ("edges of one colour", "image.diff(dim=dim + 1).abs().mean(1)", "image.diff(dim=dim + 1).abs()[:, 0]"),
        ("edges do not matter", "torch.exp(-edge)", "torch.exp(0 * edge)"),
        ("rows only", "for dim in (1, 2):", "for dim in (1,):"),
    ),
    *mutants_of(
        "unstride/losses/supervised.py", ("tests/losses/test_supervised.py",),
        ("none is NaN", ".sum().clamp(min=1)", ".sum()"),
        ("void counts", "(labels != UNLABELLED).sum()", "(labels != -1).sum()"),
        ("the unknown counts", "is_labelled = target > 0", "is_labelled = target > -1"),
        ("nothing is forgiven", "variance_focus * difference.mean().square()", "0 * difference.mean().square()"),
        ("the unknown normal counts", "dim=1))[is_labelled].mean()", "dim=1)).mean()"),
        ("the wrong sign", "(1 - cosine_similarity", "(1 + cosine_similarity"),
    ),
    *mutants_of(
        "unstride/losses/uncertainty_weighting.py", ("tests/losses/test_uncertainty_weighting.py",),
        ("kinds exchanged", "1.0 if is_classification[name] else 0.5", "0.5 if is_classification[name] else 1.0"),
        ("variance for its inverse", "torch.exp(-log_variance)", "torch.exp(log_variance)"),
        ("no price", " + log_variance / 2).sum()", ").sum()"),
        ("in the order given", "task_indices = [self.task_names.index(name) for name in losses]", "task_indices = list(range(len(losses)))"),
    ),
]  # fmt: skip
