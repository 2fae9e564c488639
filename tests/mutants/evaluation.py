"""Ways to break evaluation."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/evaluation/cam.py", ("tests/evaluation/test_measures.py", "-k", "map or drop"),
        ("negative scores count", "scores.clamp(min=0).view", "scores.view"),
        ("not stretched", "(scores - low) / (high - low)", "(scores - low) / (0 * high + 1 - low)"),
        ("the image without its map", "masked_image = image * class_activation_map", "masked_image = image * 0.5 + 0 * class_activation_map"),
        ("class 0", ".softmax(1)[:, label]", ".softmax(1)[:, 0]"),
        ("chunks in reverse order", "for chunk in pixels.split(CHUNK_SIZE)]", "for chunk in pixels.split(CHUNK_SIZE)][::-1]"),
    ),
    *mutants_of(
        "unstride/evaluation/candidates.py", ("tests/evaluation/test_candidates.py",),
        ("untrained rows are random", "torch.manual_seed(0)", "pass"),
        ("the caller's random numbers", "with torch.random.fork_rng():", "if True:"),
        ("no repeated doublings", "return stride.bit_length() - 1 if learns else 1", "return 1"),
        ("fitted again", "if digest not in self.fit_cache:", "if True:"),
        ("all images share a fit", 'hashlib.sha256(b"".join(inputs))', "hashlib.sha256(b'')"),
        ("no gradient in a fit", "with torch.inference_mode(False), torch.enable_grad():", "if True:"),
        ("all is shipped", "if has_packaged_weights(name, options) else", "if True else"),
    ),
    *mutants_of(
        "unstride/evaluation/consistency.py", ("tests/evaluation/test_measures.py", "-k", "consistency"),
        ("no mean over views", "errors /= VIEWS_PER_SEED * len(images)", "errors /= len(images)"),
        ("each seed sees the same views", "manual_seed(seed * 1_000_003 + position)", "manual_seed(position)"),
        ("relative to itself", "errors[:, 0] / errors[:, 1]", "errors[:, 0] / errors[:, 0]"),
        ("the view's features are upsampled", "(candidate.upsampler_for(backbone, image, coarse), bilinear)", "(bilinear, bilinear)"),
    ),
    *mutants_of(
        "unstride/evaluation/cost.py", ("tests/evaluation/test_measures.py", "-k", "time or memory"),
        ("bilinear over the row", 'seconds["candidate"] / seconds["bilinear"]', 'seconds["bilinear"] / seconds["candidate"]'),
    ),
    *mutants_of(
        "unstride/evaluation/feature_dataset.py", ("tests/evaluation/test_frozen_features.py", "tests/evaluation/test_linear_probe.py"),
        ("features are not kept", "self.memory_cache[dataset_index] = self.backbone(image).half().cpu()", "return self.backbone(image).half().cpu()"),
    ),
    *mutants_of(
        "unstride/evaluation/feature_evaluation.py", ("tests/evaluation/test_feature_evaluation.py",),
        ("labels may repeat", "if labels.count(label) > 1", "if labels.count(label) > 9"),
        ("a measure without data", "if kinds and not any(", "if False and any("),
    ),
    *mutants_of(
        "unstride/evaluation/feature_grid.py", ("tests/evaluation/test_frozen_features.py", "tests/evaluation/test_linear_probe.py"),
        ("labels at corners", "+ 0.5) * self.cell_size).long()", ") * self.cell_size).long()"),
        ("cells outside the image", "rows[rows < size[0]], columns[columns < size[1]]", "rows, columns"),
        ("answers not cropped", "maps[:, :, : size[0], : size[1]]", "maps"),
    ),
    *mutants_of(
        "unstride/evaluation/frozen_features.py", ("tests/evaluation/test_frozen_features.py", "tests/evaluation/test_linear_probe.py"),
        ("statistics of one image", "total, squares = total + cells.sum(1), squares + cells.square().sum(1)", "total, squares = cells.sum(1), cells.square().sum(1)"),
        ("no deviation", "clamp(min=MIN_STD**2)", "clamp(min=1)"),
    ),
    *mutants_of(
        "unstride/evaluation/linear_probe.py", ("tests/evaluation/test_linear_probe.py",),
        ("the schedule is not stepped", "        cosine.step()", "        pass"),
        ("the schedule is stepped twice", "        cosine.step()", "        cosine.step(); cosine.step()"),
        ("the seed does not choose pixels", "manual_seed(seed * 1_000_003 + position)", "manual_seed(position)"),
        ("the seed does not start the probe", "    generator = torch.Generator().manual_seed(seed)\n    probe", "    generator = torch.Generator().manual_seed(0)\n    probe"),
        ("the first weights are anyone's", "parameter.uniform_(-bound, bound, generator=generator)", "parameter.uniform_(-bound, bound)"),
        ("unlabelled pixels are drawn", "labelled = task.is_labelled(target).flatten().nonzero()[:, 0]", "labelled = torch.arange(target.numel())"),
        ("labels of other pixels", "target.flatten()[drawn]", "target.flatten()[drawn.flip(0)]"),
        ("all probes score as the first", "predictions.split(task.out_channels, 1)", "[predictions[:, : task.out_channels]] * len(probes)"),
        ("the bias is lost", "weight[:, :, None, None], bias)", "weight[:, :, None, None])"),
        ("features are not standardised in scoring", ': scoring"):\n        fine = candidate.grid_features(grid, image, coarse)', ': scoring"):\n        fine = grid.upsample(candidate.upsampler_for(grid.backbone, image, coarse), coarse, image)'),
        ("large splits are not subset", "min(self.pixels_per_image, self.max_pixels // max(num_images, 1))", "self.pixels_per_image"),
    ),
    *mutants_of(
        "unstride/evaluation/probe_measures.py", ("tests/evaluation/test_measures.py", "-k", "transfer"),
        ("transfer learns from the row", 'Candidate("cells", IdentityUpsampler()), missing, cells)', "candidate, missing, benchmark.grid)"),
        ("transfer trains again", "if seed not in benchmark.coarse_probes", ""),
        ("transfer mixes seeds", "[benchmark.coarse_probes[seed] for seed in seeds]", "list(benchmark.coarse_probes.values())[: len(seeds)][::-1]"),
    ),
    *mutants_of(
        "unstride/evaluation/probe_tasks.py", ("tests/evaluation/test_linear_probe.py",),
        ("the worst class", "logits.max(0)", "logits.min(0)"),
        ("depth without its logarithm", "- labels.log()).abs()", "- labels).abs()"),
        ("far depth is known", "& (labels < self.caps[1])", ""),
        ("one set's caps for all", "DepthTask(dataset.caps)", "DepthTask((0.001, 10.0))"),
        ("scored as deep as usual", "DepthErrors(caps)", "DepthErrors()"),
    ),
    *mutants_of(
        "unstride/evaluation/report.py", ("tests/evaluation/test_runner.py",),
        ("difference of the means of other rows", "ours[value] - base[value]", "base[value] - ours[value]"),
        ("population deviation", "statistics.stdev", "statistics.pstdev"),
    ),
    *mutants_of(
        "unstride/evaluation/results.py", ("tests/evaluation/test_runner.py",),
        ("one file for all options", "hashlib.sha256(text.encode())", "hashlib.sha256(b'')"),
    ),
    *mutants_of(
        "unstride/evaluation/runner.py", ("tests/evaluation/test_runner.py",),
        ("computed again", "if results[seed] is None]", "]"),
        ("the schedule is no option", 'key["schedule"] = repr(benchmark.schedule)', "pass"),
        ("the images are no option", "key |= benchmark.cache_key()", 'key |= {"dataset": benchmark.dataset_name, "grid": benchmark.probe_stride}'),
        ("the backbone's weights are no option", "weights_fingerprint(benchmark.backbone)", "0"),
        ("the row is no option", "key | candidate.cache_key()", 'key | {"row": candidate.label}'),
        ("failures are not told", "results.failures.append", "str"),
        ("a failure ends all", "except Exception as error:", "except KeyError as error:"),
        ("any data set will do", "[b for b in benchmarks if b.label_kind in kinds]", "list(benchmarks)"),
    ),
    *mutants_of(
        "unstride/evaluation/segment_measure.py", ("tests/evaluation/test_measures.py", "-k", "segments"),
        ("no features", "candidate.pixel_features(benchmark.frozen_backbone, image, coarse)[0]", "candidate.pixel_features(benchmark.frozen_backbone, image, 0 * coarse)[0]"),
    ),
    *mutants_of(
        "unstride/evaluation/settings.py", ("tests/evaluation/test_feature_evaluation.py",),
        ("no folder by name", "self.data / name if (self.data / name).is_dir() else self.data", "self.data"),
    ),
    *mutants_of(
        "unstride/evaluation/timing.py", ("tests/evaluation/test_timing.py",),
        ("the warm-up counts", "            if round_index:", "            if True:"),
        ("the budget ends no round", "> time_budget:", "> math.inf:"),
        ("the budget ends the first rounds too", "if round_index > min_rounds and ", "if "),
    ),
]  # fmt: skip
