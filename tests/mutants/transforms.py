"""Ways to break transforms."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/transforms/augment.py", (
            "tests/transforms/test_augment.py",
            "tests/recipes/test_segmentation.py",
            "-k",
            "augment or beyond",
        ),
        (
            "the longer side for the shorter",
            "zip(sorted(self.base), sorted(size), strict=True)",
            "zip(sorted(self.base)[::-1], sorted(size), strict=True)",
        ),
        (
            "upright is across",
            "zip(sorted(self.base), sorted(size), strict=True)",
            "zip(self.base, size, strict=True)",
        ),
        ("covers its base", "fitting = min(", "fitting = max("),
        ("never larger", "uniform_(*self.scales)", "uniform_(self.scales[0], 1)"),
        ("never mirrored", "    if flip:\n", "    if not flip:\n"),
        ("colours stay", "[*steps, colour_jitter(colour)]", "steps"),
        ("the hue as strength says", "strength / 10 if hue is None else hue", "strength / 10"),
        ("all are recoloured", "jitter if share == 1 else", "jitter if True else"),
        ("black beyond", "GREY = 0.45", "GREY = 0.0"),
        ("beyond is the first class", "tv_tensors.Mask: float(UNLABELLED)", "tv_tensors.Mask: 0.0"),
        ("what is said of beyond is forgotten", " | dict(beyond or {})", ""),
        ("padded on one side", "int(torch.randint(0, n + 1, ()))", "n"),
        ("a pixel short", "max(wanted - n, 0)", "max(wanted - n - 1, 0)"),
    ),
    *family(
        "unstride/transforms/augment.py", ("tests/transforms/test_scale_jitter.py",),
        ("void is unlabelled", "beyond={tv_tensors.Mask: 0.0}", "beyond=None"),
        ("no canvas", "crop = self.canvas or", "crop ="),
        ("always mirrored or never", "flip=self.flip", "flip=not self.flip"),
        ("factors unused", "crop, scales=self.scales,", "crop, scales=(1.0, 1.0),"),
    ),
    *family(
        "unstride/transforms/detection_target.py", ("tests/datasets/test_instances.py", "-k", "not real"),
        ("boxes end at a pixel's start", "last = size - within", "last = size - 1 - within"),
        ("rows for columns", "(masks.any(1), masks.any(2))", "(masks.any(2), masks.any(1))"),
        (
            "boxes beyond the border",
            "boxes.clamp(torch.zeros(4), torch.tensor([width, height, width, height]))",
            "boxes",
        ),
        (
            "boxes without area",
            "real = (boxes[:, 2:] > boxes[:, :2]).all(1)",
            "real = torch.ones(len(boxes), dtype=torch.bool)",
        ),
        ("only crowds", "single = ~target", "single = target"),
    ),
    *family(
        "unstride/transforms/detection_target.py", ("tests/transforms/test_scale_jitter.py",),
        (
            "boxes as they were",
            '        image_id=target["image_id"],\n    )  # fmt: skip',
            '        image_id=target["image_id"], boxes=torch.as_tensor(target["boxes"]),\n',
        ),
    ),
    *family(
        "unstride/transforms/frame_triplets.py", ("tests/datasets/test_kitti_depth.py", "-k", "neighbours"),
        ("the mirror needs motion", '    if "poses" in sample:\n', "    if True:\n"),
    ),
    *family(
        "unstride/transforms/frame_triplets.py", ("tests/datasets/test_kitti.py",),
        (
            "the first intrinsics of another size",
            'resized_intrinsics(sample["intrinsics"], before, size)',
            'sample["intrinsics"]',
        ),
        ("motion not mirrored", 'mirror @ sample["poses"] @ mirror', 'sample["poses"]'),
        (
            "the principal point not mirrored",
            "width - intrinsics[..., 0, 2]",
            "intrinsics[..., 0, 2]",
        ),
    ),
    *family(
        "unstride/transforms/frame_triplets.py", ("tests/recipes/test_depth.py", "-k", "other_colours"),
        (
            "what is compared is recoloured",
            'return sample | {"shown": recolour(frames)}',
            'return sample | {"shown": (new := recolour(frames)), "image": new[1]}',
        ),
        (
            "each in its own colours",
            "recolour(frames)}",
            "torch.stack([recolour(f) for f in frames])}",
        ),
    ),
    *family(
        "unstride/transforms/jitter.py", ("tests/transforms/test_views.py",),
        (
            "nothing beyond the edges",
            "at = edge - (edge - at.remainder(2 * edge)).abs()",
            "at = at.clamp(0, edge)",
        ),
        (
            "mirrors at the last pixel's centre",
            "at = edge - (edge - at.remainder(2 * edge)).abs()",
            "at = edge - 1 - (edge - 1 - at.remainder(2 * edge - 2)).abs()",
        ),
        ("no flips", "flipped[:, None] < 0.5", "flipped[:, None] < 0"),
        ("all zoomed", "torch.where(zoomed < 0.5,", "torch.where(zoomed < 2,"),
        ("corner of the comb ignored", "(at - first - 0.5) / step", "(at - 0.5) / step"),
        ("half a sample off", "/ step + 0.5)", "/ step)"),
        ("padded on one side", "* spare - pad", "* spare"),
        (
            "views interleaved",
            "unflatten(1, (len(views), size[0])).movedim(1, 0)",
            "unflatten(1, (size[0], len(views))).movedim(2, 0)",
        ),
    ),
    *family(
        "unstride/transforms/metric_depth.py", (
            "tests/recipes/test_depth.py",
            "tests/recipes/test_multitask.py",
            "-k",
            "mirrored or flip or size_of or line",
        ),
        (
            "zoomed",
            "[v2.Resize(size, antialias=True)]",
            "[v2.Resize(size, antialias=True), v2.ScaleJitter(size)]",
        ),
        ("not cropped", "if crop is not None:\n        steps", "if False:\n        steps"),
        ("never mirrored", "    if flip:\n", "    if False:\n"),
    ),
    *family(
        "unstride/transforms/normals.py", ("tests/transforms/test_normals.py",),
        ("away from the camera", ".sum(1, keepdim=True) > 0", ".sum(1, keepdim=True) < 0"),
        ("the border wraps", ".zero_()", ".clone()"),
        ("across an edge", "<= jump * depth", "<= jump * depth + 9"),
        ("holes are points", "same = (there > 0) & ", "same = "),
        ("only to the right", "ends[1] - ends[0]", "ends[1] - points"),
        ("not unit", "towards / length.where(length > 0, 1.0)", "towards / 2"),
        ("always the next", "for shift in (reach, -reach):", "for shift in (1, -1):"),
        ("a border of one pixel", "min(reach, size)).zero_()", "1).zero_()"),
    ),
    *family(
        "unstride/transforms/panoptic_targets.py", ("tests/models/panoptic/test_postprocess.py", "-k", "targets or centres_of"),
        ("to the pixel's corner", "axis.float().mean() + 0.5", "axis.float().mean()"),
        ("rows for columns", "y, x = (axis", "x, y = (axis"),
        ("offsets the other way", "x - columns, offsets[0]", "columns - x, offsets[0]"),
        ("crowds have centres", "        if segment.is_crowd:\n", "        if False:\n"),
        (
            "void is known",
            "is_known = torch.zeros_like(ids, dtype=torch.bool), ids != 0",
            "is_known = torch.zeros_like(ids, dtype=torch.bool), ids >= 0",
        ),
        ("stuff from 0", "enumerate(classes.stuff, 1)}", "enumerate(classes.stuff, 0)}"),
        (
            "void is a thing",
            "painted = torch.full_like(ids, UNLABELLED)",
            "painted = torch.zeros_like(ids)",
        ),
    ),
    *family(
        "unstride/transforms/pixel_maps.py", ("tests/transforms/test_spatial.py",),
        ("a flip leaves normals", "sign[axis] = -1", "sign[axis] = 1"),
        (
            "turned the other way",
            "[cos * x + sin * y, cos * y - sin * x, z]",
            "[cos * x - sin * y, cos * y + sin * x, z]",
        ),
        ("normals of any length", "average / length.clamp(min=1e-3)", "average"),
        ("holes are closed", "both[..., 3:, :, :] > 0.5", "both[..., 3:, :, :] > 0"),
        ("opposite normals", " & (length > 1e-3)", ""),
        (
            "depth is mixed when turned",
            "channels = 1\n    interpolation = InterpolationMode.NEAREST",
            "channels = 1\n    interpolation = InterpolationMode.BILINEAR",
        ),
        ("centres at whole numbers", "torch.stack([x, y]) + 0.5", "torch.stack([x, y]) + 0.0"),
        ("aligned corners", "* m / n - 0.5", "* (m - 1) / max(n - 1, 1)"),
        (
            "the ramp stops at the border",
            "first = at.floor()",
            "at = at.clamp(0, m - 1)\n            first = at.floor()",
        ),
    ),
    *family(
        "unstride/transforms/pure_tensors.py", (
            "tests/transforms/test_augment.py",
            "tests/recipes/test_segmentation.py",
            "-k",
            "augment or beyond",
        ),
        ("still wrapped", "return sample.as_subclass(torch.Tensor)", "return sample"),
        (
            "still wrapped in lists",
            "if isinstance(sample, tuple | list):",
            "if isinstance(sample, tuple):",
        ),
    ),
    *family(
        "unstride/transforms/pure_tensors.py", ("tests/transforms/test_scale_jitter.py",),
        ("named tuples by one argument", 'hasattr(sample, "_fields")', "False"),
    ),
    *family(
        "unstride/transforms/spatial.py", ("tests/transforms/test_spatial.py",),
        ("a flip over negates x", "_values(maps).flip(-2), 1)", "_values(maps).flip(-2), 0)"),
        ("depth is mixed", "InterpolationMode.NEAREST_EXACT", "InterpolationMode.BILINEAR"),
        (
            "depth from the corner",
            "list(size), InterpolationMode.NEAREST_EXACT",
            "list(size), InterpolationMode.NEAREST",
        ),
        (
            "beyond the border is zero",
            "both[..., :-1, :, :], type(maps).unknown)",
            "both[..., :-1, :, :], 0.0)",
        ),
        (
            "a filled border is known",
            "inside = both[..., -1:, :, :] > 1 - 1e-3",
            "inside = both[..., -1:, :, :] > -1",
        ),
        (
            "resized before the crop",
            "_resize(_crop(maps, top, left, height, width), size)",
            "_crop(_resize(maps, size), top, left, *size)",
        ),
        ("passed by", "for _name in REFUSED:", "for _name in ():"),
        (
            "the largest side is ignored",
            "max_size=max_size).shape",
            "max_size=None if size else max_size + 1).shape",
        ),
    ),
    *family(
        "unstride/transforms/views.py", ("tests/recipes/test_featup.py",),
        ("no flip", "torch.where(flip[:, None] > 0, x.flip(0), x)", "x"),
        (
            "rows by the columns",
            "y = y * side[:, None] + top[:, None]",
            "y = y * side[:, None] + left[:, None]",
        ),
        ("never beyond the edge", "+ 2 * pad)[:, None] - pad", ")[:, None]"),
    ),
]
