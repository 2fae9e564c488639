"""Ways to break recipes."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/recipes/affinity.py", ("tests/recipes/test_affinity.py",),
        ("oneself is a neighbour", " & ((p, q) != (k // 2, k // 2))", ""),
        ("no segment is a segment", "(there >= 0) & (segments >= 0)", "(there >= -1)"),
        ("across: likelihood of its opposite", "-torch.log(-torch.expm1(-half))", "half"),
        ("segments half a step aside", "+ STRIDE / 2) * n / m", "+ 3 * STRIDE) * n / m"),
        ("flipped image, straight segments", "segments.flip(2)) if", "segments) if"),
    ),
    *family(
        "unstride/recipes/depth.py", ("tests/recipes/test_depth.py", "-k", "not killed and not every_config"),
        (
            "poses that there are not",
            'if options.known_motion and options.dataset == "kitti_depth":',
            "if False:",
        ),
        (
            "only the photograph is mirrored",
            "sample = mirrored(sample)",
            'sample = sample | {"image": sample["image"].flip(-1)}',
        ),
        ("never mirrored", "self.flip and torch.rand(()) < 0.5", "False"),
        ("mirrored against its will", "self.flip and torch.rand(()) < 0.5", "torch.rand(()) < 0.5"),
        ("depth is a photograph", "Depth(depth))", "tv_tensors.Image(depth[None]))"),
        ("crops of frames are accepted", "if options.crop is not None:", "if False:"),
        ("kitti is scored by depth", "return Unlabelled if", "return SelfSupervised if"),
        ("the val of nyuv2", '== ("nyuv2", "val")', '== ("nyuv", "val")'),
        (
            "trained on what is scored",
            '_frames(options, "train"), options.spacing',
            '_frames(options, "val"), options.spacing',
        ),
    ),
    *family(
        "unstride/recipes/depth_learner.py", ("tests/recipes/test_pictures.py",),
        ("a scale of its own", '== "none" else None', '== "median" else None'),
    ),
    *family(
        "unstride/recipes/depth_learner.py", ("tests/recipes/test_depth.py", "-k", "not killed and not every_config"),
        (
            "the true poses are not taken",
            "parts = self.network.loss(batch, known_motion=self.options.known_motion)\n        return",
            "parts = self.network.loss(batch, known_motion=not self.options.known_motion)\n        return",
        ),
        ("the scale is always aligned", '("median" if moving else "none")', '"median"'),
        (
            "caps forgotten",
            "DepthErrors(options.caps, alignment, crop",
            "DepthErrors(alignment=alignment, crop",
        ),
        ("the crop of the scores forgotten", ", crop=options.score_crop)", ")"),
        (
            "labels shrunk to the answer",
            "found = at_size(self.network(images)[:, None], size)[:, 0]",
            "found = self.network(images)\n        depth = at_size(depth[:, None], found.shape[-2:])[:, 0]",
        ),
        (
            "NaN without depth",
            "task.loss(found, depth) if known else",
            "task.loss(found, depth) if True else",
        ),
        (
            "the ties of each time",
            "generator=torch.Generator().manual_seed(index)",
            "generator=torch.Generator().manual_seed(torch.seed() % 999)",
        ),
    ),
    *family(
        "unstride/recipes/detection.py", ("tests/recipes/test_pictures.py",),
        ("unsure objects are shown", 'found["scores"] >= SURE', 'found["scores"] >= 0'),
        (
            "no true masks",
            'if "masks" in found:\n        true',
            'if "mask" in found:\n        true',
        ),
        ("truth without certainty", "torch.ones(len(true", "torch.zeros(len(true"),
    ),
    *family(
        "unstride/recipes/detection.py", (
            "tests/recipes/test_detection.py",
            "-k",
            "percents or rate or crowds or teach or other_classes or (move and mask)",
        ),
        ("empty photographs teach", "training if options.empty else", "training if True else"),
        ("they never do", "training if options.empty else", "training if False else"),
        ("shares, not percents", '100 * scores["map"]', 'scores["map"]'),
        ("faint masks", '["masks"][:, 0] >= 0.5', '["masks"][:, 0] >= 0.7'),
        ("one rate for all", 'trunk = "backbone.body"', 'trunk = "backbone"'),
        (
            "crowds are learned",
            "without_crowds(trimmed(target) if self.cut else target)",
            "trimmed(target) if self.cut else target",
        ),
        ("boxes of what was cut away", "trimmed(target) if self.cut else target", "target"),
        ("any classes", "list(dataset.classes) != list(classes)", "False"),
        ("masks are not scored", 'if model == "mask_rcnn":', "if False:"),
    ),
    *family(
        "unstride/recipes/multitask.py", ("tests/recipes/test_pictures.py",),
        ("all in one place", "found[0]), task)", "found[0]))"),
        (
            "normals as depth",
            'if task == "depth":\n            return',
            'if task != "segmentation":\n            return',
        ),
        ("a scale of its own", "found, depth_span(truth))", "found)"),
    ),
    *family(
        "unstride/recipes/multitask.py", ("tests/recipes/test_multitask.py", "-k", "not killed"),
        ("a share for percent", "100 * drained(self.area)", "drained(self.area)"),
        ("counted on and on", "    metric.reset()\n", ""),
        (
            "normals are directions of nothing",
            '"normals": Normals}',
            '"normals": tv_tensors.Image}',
        ),
        ("the least angle is the worst", '("angle_mean", "min")', '("angle_mean", "max")'),
        (
            "the last task says",
            "self.better = BETTER[options.tasks[0]]",
            "self.better = BETTER[options.tasks[-1]]",
        ),
        ("no task is enough", "if not options.tasks:", "if False:"),
        ("the crop forgotten", "crop=options.crop, ", ""),
        ("near for far", '"near": options.near,', '"near": options.far,'),
    ),
    *family(
        "unstride/recipes/panoptic.py", ("tests/recipes/test_panoptic.py", "-k", "other_classes or void or (move and fpn)"),
        ("any classes", "Classes.of(dataset.categories) != classes", "False"),
        (
            "names in the file's order",
            "for number in (*classes.things, *classes.stuff)",
            "for number in sorted(names, reverse=True)",
        ),
        ("crops for all", "options.crop if kind.one_size else None", "(48, 64)"),
    ),
    *family(
        "unstride/recipes/panoptic_learner.py", ("tests/recipes/test_pictures.py",),
        ("found before truth", "image, truth, found)", "image, found, truth)"),
        (
            "what was cut off is shown",
            'target["ids"][0], present(target)',
            'target["ids"][0], target["segments"]',
        ),
    ),
    *family(
        "unstride/recipes/panoptic_learner.py", ("tests/recipes/test_panoptic.py", "-k", "percents or rate or (move and deeplab)"),
        ("shares, not percents", "100 * score", "score"),
        ("one rate for all", 'trunk = "detector.backbone.body"', 'trunk = "detector"'),
        (
            "no centres",
            "return panoptic_loss(fields",
            "fields = fields._replace(offsets=fields.offsets.detach())\n        return panoptic_loss(fields",
        ),
    ),
    *family(
        "unstride/recipes/segmentation.py", ("tests/recipes/test_pictures.py",),
        ("truth twice", "labels[0].cpu(), found[0].cpu()", "labels[0].cpu(), labels[0].cpu()"),
    ),
    *family(
        "unstride/recipes/segmentation.py", ("tests/recipes/test_segmentation.py", "-k", "not two_processes"),
        (
            "void is a class",
            "pixel_cross_entropy(logits, labels)",
            "pixel_cross_entropy(logits, labels.clamp(max=8))",
        ),
        ("the auxiliary loss is lost", "if auxiliary is not None:", "if False:"),
        (
            "the first class everywhere",
            "self.network(images).argmax(1)",
            "0 * self.network(images).argmax(1)",
        ),
        ("scores as shares", "100 * metric.compute()", "metric.compute()"),
        (
            "boundaries of the last photographs only",
            "            metric.reset()",
            "            self.area.reset()",
        ),
    ),
]
