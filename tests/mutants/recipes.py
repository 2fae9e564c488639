"""Ways to break recipes."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/recipes/affinity_learner.py", ("tests/recipes/test_affinity.py",),
        ("oneself is a neighbour", " & ((p, q) != (k // 2, k // 2))", ""),
        ("no segment is a segment", "(neighbour >= 0) & (segments >= 0)", "(neighbour >= -1)"),
        ("across: likelihood of its opposite", "-torch.log(-torch.expm1(-half))", "half"),
    ),
    *mutants_of(
        "unstride/datasets/segment_crops.py", ("tests/datasets/test_segment_crops.py",),
        ("segments half a step aside", "+ STRIDE / 2) * n / m", "+ 3 * STRIDE) * n / m"),
        ("flipped image, straight segments", "segments.flip(2)) if", "segments) if"),
    ),
    *mutants_of(
        "unstride/recipes/depth.py", ("tests/recipes/test_depth.py", "-k", "not killed and not every_config"),
        ("poses that there are not", 'if options.known_poses and options.dataset == "kitti_depth":', "if False:"),
        ("only the photograph is mirrored", "sample = flip_triplet(sample)", 'sample = sample | {"image": sample["image"].flip(-1)}'),
        ("never mirrored", "self.horizontal_flip and torch.rand(()) < 0.5", "False"),
        ("mirrored against its will", "self.horizontal_flip and torch.rand(()) < 0.5", "torch.rand(()) < 0.5"),
        ("depth is a photograph", "SampleTransform(augmentation, DepthMap)", "SampleTransform(augmentation, lambda depth: __import__('torchvision').tv_tensors.Image(depth[None]))"),
        ("crops of frames are accepted", "if options.crop_size is not None:", "if False:"),
        ("kitti is scored by depth", "return PhotometricDepth if", "return SelfSupervisedDepth if"),
        ("trained on what is scored", 'frames = video_dataset(options, "train")', 'frames = video_dataset(options, "val")'),
    ),
    *mutants_of(
        "unstride/recipes/depth_learner.py", ("tests/recipes/test_pictures.py",),
        ("a scale of its own", 'alignment == "none"', 'alignment == "median"'),
    ),
    *mutants_of(
        "unstride/recipes/depth_learner.py", ("tests/recipes/test_depth.py", "-k", "not killed and not every_config"),
        ("the true poses are not taken", "known_poses, disparities=disparities", "known_poses is False, disparities=disparities"),
        ("the scale is always aligned", '("median" if unknown_scale else "none")', '"median"'),
        ("caps forgotten", "DepthErrors(options.eval_depth_range, alignment, crop", "DepthErrors(alignment=alignment, crop"),
        ("the crop of the scores forgotten", ", crop=options.eval_crop)", ")"),
        ("labels shrunk to the answer", "prediction = resize_bilinear(self.network(images)[:, None], size)[:, 0]", "prediction = self.network(images)\n        depth = resize_bilinear(depth[:, None], prediction.shape[-2:])[:, 0]"),
        ("NaN without depth", "task.loss(prediction, depth) if is_known else", "task.loss(prediction, depth) if True else"),
        ("the ties of each time", "generator=torch.Generator().manual_seed(index)", "generator=torch.Generator().manual_seed(torch.seed() % 999)"),
    ),
    *mutants_of(
        "unstride/recipes/detection.py", ("tests/recipes/test_pictures.py",),
        ("unsure objects are shown", 'prediction["scores"] >= MIN_SHOWN_SCORE', 'prediction["scores"] >= 0'),
        ("no true masks", 'if "masks" in prediction:\n        true', 'if "mask" in prediction:\n        true'),
        ("truth without certainty", "torch.ones(len(true", "torch.zeros(len(true"),
    ),
    *mutants_of(
        "unstride/recipes/detection.py", ( "tests/recipes/test_detection.py", "-k", "percents or rate or crowds or teach or other_classes or (move and mask)", ),
        ("empty photographs teach", "if not options.include_empty:", "if False:"),
        ("they never do", "if not options.include_empty:", "if True:"),
        ("shares, not percents", '100 * scores["map"]', 'scores["map"]'),
        ("faint masks", "MASK_THRESHOLD = 0.5", "MASK_THRESHOLD = 0.7"),
        ("one rate for all", 'backbone_path = "backbone.body"', 'backbone_path = "backbone"'),
        ("crowds are learned", "without_crowds(refit_boxes(target) if self.is_cropped else target)", "refit_boxes(target) if self.is_cropped else target"),
        ("boxes of what was cut away", "refit_boxes(target) if self.is_cropped else target", "target"),
        ("any classes", "if classes is not None:", "if False:"),
        ("masks are not scored", 'if model == "mask_rcnn":', "if False:"),
    ),
    *mutants_of(
        "unstride/recipes/multitask.py", ("tests/recipes/test_pictures.py",),
        ("all in one place", "self.log_image(index, draw, task)", "self.log_image(index, draw)"),
        ("normals as depth", 'if task == "depth":\n            return', 'if task != "segmentation":\n            return'),
        ("a scale of its own", "prediction, depth_limits(target))", "prediction)"),
    ),
    *mutants_of(
        "unstride/recipes/multitask.py", ("tests/recipes/test_multitask.py", "-k", "not killed"),
        ("a share for percent", "100 * pop_value(self.miou)", "pop_value(self.miou)"),
        ("counted on and on", "    metric.reset()\n", ""),
        ("normals are directions of nothing", '"normals": NormalMap}', '"normals": tv_tensors.Image}'),
        ("the least angle is the worst", '("angle_mean", "min")', '("angle_mean", "max")'),
        ("the last task says", "self.monitor = MONITORS[options.tasks[0]]", "self.monitor = MONITORS[options.tasks[-1]]"),
<<<<<<< HEAD
=======
        ("no task is enough", "Annotated[tuple[str, ...], Each(OneOf(tuple(MONITORS)))]", "tuple[str, ...]"),
>>>>>>> faults-b
        ("the crop forgotten", "crop_size=options.crop_size, ", ""),
        ("near for far", '"near": options.near,', '"near": options.far,'),
    ),
    *mutants_of(
        "unstride/recipes/panoptic.py", ("tests/training/test_dataset_splits.py",),
        ("void is learned", '    with_objects(train_data, trained, "training needs one")\n', ""),
        ("the limit is forgotten", "evenly_spaced_indices(len(train_data), options.train_limit)", "evenly_spaced_indices(len(train_data), None)"),
    ),
    *mutants_of(
        "unstride/recipes/panoptic.py", ("tests/recipes/test_panoptic.py", "-k", "other_classes or void or (move and fpn)"),
        ("any classes", "if classes is not None:", "if False:"),
        ("names in the file's order", "for category_id in (*classes.things, *classes.stuff)", "for category_id in sorted(names, reverse=True)"),
        ("crops for all", "options.crop_size if learner_type.has_fixed_size else None", "(48, 64)"),
    ),
    *mutants_of(
        "unstride/recipes/panoptic_learner.py", ("tests/recipes/test_pictures.py",),
        ("found before truth", "image, truth, prediction)", "image, prediction, truth)"),
        ("what was cut off is shown", 'target["ids"][0], visible_segments(target)', 'target["ids"][0], target["segments"]'),
    ),
    *mutants_of(
        "unstride/recipes/panoptic_learner.py", ("tests/recipes/test_panoptic.py", "-k", "percents or rate or (move and deeplab)"),
        ("shares, not percents", "100 * score", "score"),
        ("one rate for all", 'backbone_path = "detector.backbone.body"', 'backbone_path = "detector"'),
        ("no centres", "losses = panoptic_loss(output,", "losses = panoptic_loss(output._replace(offsets=output.offsets.detach()),"),
    ),
    *mutants_of(
        "unstride/recipes/segmentation.py", ("tests/recipes/test_pictures.py",),
        ("truth twice", "target, prediction[0].cpu()", "target, labels[0].cpu()"),
    ),
    *mutants_of(
        "unstride/recipes/segmentation.py", ("tests/recipes/test_segmentation.py", "-k", "not two_processes"),
        ("void is a class", "pixel_cross_entropy(logits, labels)", "pixel_cross_entropy(logits, labels.clamp(max=8))"),
        ("the auxiliary loss is lost", "if auxiliary is not None:", "if False:"),
        ("the first class everywhere", "self.network(images).argmax(1)", "0 * self.network(images).argmax(1)"),
        ("scores as shares", "100 * metric.compute()", "metric.compute()"),
        ("boundaries of the last photographs only", "            metric.reset()", "            self.miou.reset()"),
    ),
    *mutants_of(
        "unstride/recipes/pretraining_learner.py", ("tests/recipes/test_pretraining.py",),
        ("the target follows with each batch", "if int(self.target.step) <= self.global_step:", "if True:"),
        ("the target never follows", "if int(self.target.step) <= self.global_step:", "if False:"),
        ("norms decay", '"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0', '"params": [p for p in trained if p.ndim <= 1], "weight_decay": weight_decay'),
        ("probes are forgotten", 'self.probes = checkpoint["probes"]', "pass"),
        ("targets of any length", "directions = normalize(cells.float(), dim=1)", "directions = cells.float()"),
    ),
    *mutants_of(
        "unstride/recipes/pretraining.py", ("tests/recipes/test_pretraining.py",),
        ("views of any size", "if pyramid.padded_size(options.size) != tuple(options.size):", "if False:"),
    ),
    *mutants_of(
        "unstride/recipes/pretraining_options.py", ("tests/recipes/test_pretraining.py",),
        ("any rate", "* self.accumulate / 256", "/ 256"),
        ("devices do not count", "* self.devices * self", "* self"),
        ("beyond the image", "if self.scale_range[1] > 1:", "if False:"),
    ),
    *mutants_of(
        "unstride/recipes/pretraining_probes.py", ("tests/recipes/test_pretraining.py", "-k", "probes"),
        ("random numbers are drawn", "    with torch.random.fork_rng(devices=[]):\n        scores", "    if True:\n        scores"),
        ("stays in evaluation", "    network.train(was_training)\n", ""),
        ("twice at the end", "and not is_done and", "and"),
        ("never at the end", " or step == self.last_step", ""),
    ),
]  # fmt: skip
