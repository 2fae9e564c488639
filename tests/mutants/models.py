"""Ways to break models."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/models/depth/by_name.py", (
            "tests/recipes/test_depth.py",
            "tests/recipes/test_multitask.py",
            "-k",
            "outputs or line or folder",
        ),
        ("the usual depths", "LogDepth(near, far)),", "LogDepth()),"),
    ),
    *family(
        "unstride/models/depth/monodepth.py", ("tests/models/depth/test_monodepth.py",),
        (
            "disparities of half types",
            "widened(self.heads[str(n)](levels[n]))",
            "self.heads[str(n)](levels[n])",
        ),
        (
            "depth for disparity",
            "1 / (1 / far + (1 / near - 1 / far) * disparity)",
            "near + (far - near) * disparity",
        ),
        (
            "never inverted",
            "before = torch.linalg.inv(self.pose(sources[:, 0], image))",
            "before = self.pose(sources[:, 0], image)",
        ),
        ("backwards in time", "self.pose(image, sources[:, 1])", "self.pose(sources[:, 1], image)"),
        ("one pose for both", "depth, poses[:, i],", "depth, poses[:, 0],"),
        ("known motion is not used", "if known_motion else", "if not known_motion else"),
        ("equally smooth", "SMOOTHNESS / stride *", "SMOOTHNESS *"),
        ("three scales", "DISPARITIES = 4", "DISPARITIES = 3"),
        ("what is shown is not seen", 'if "shown" in sample', 'if "seen" in sample'),
        (
            "what is shown is compared",
            'image, sources = sample["image"], sample["sources"]',
            'image, sources = sample.get("shown", sample["image"][:, None]).unbind(1)[-1], sample["sources"]',
        ),
        (
            "smoothness forgotten",
            'parts["photometric"] + parts["smoothness"]',
            'parts["photometric"]',
        ),
    ),
    *family(
        "unstride/models/depth/pose_network.py", ("tests/models/depth/test_monodepth.py", "-k", "motion or learns"),
        ("starts anywhere", "UNIT = 0.01", "UNIT = 10.0"),
        (
            "turn for shift",
            "pose_matrix(motion[:, :3], motion[:, 3:])",
            "pose_matrix(motion[:, :3], motion[:, :3])",
        ),
    ),
    *family(
        "unstride/models/detection/by_name.py", ("tests/models/detection/test_by_name.py",),
        (
            "in mask heads that are not there",
            'if name == "mask_rcnn" else (MASK_HEAD,)',
            'if name == "mask_rcnn" else ()',
        ),
        ("any detector", "if name not in KINDS:", "if False:"),
    ),
    *family(
        "unstride/models/detection/detector.py", (
            "tests/models/detection/test_detector.py",
            "-k",
            "batch or refused or deconvolution or frozen or (numbers and 90) or no_object or nothing or pooled or kept or rounded",
        ),
        ("scales guessed", "    pool.scales = [1 / s", "    scales = [1 / s"),
        (
            "levels of other strides",
            "initLevelMapper(first, last)",
            "initLevelMapper(first + 1, last + 1)",
        ),
        ("gaps", "if any(coarse != 2 * fine", "if any(coarse < 2 * fine"),
        ("one's own head is lost", "in heads.keys() - options.keys():", "in heads.keys():"),
        ("answers in half types", "says.register_forward_hook(_widen_answer)", "pass"),
        ("larger anchors", "[(8 * s,) for s in trunk.levels]", "[(9 * s,) for s in trunk.levels]"),
        ("other octaves", "2 ** (n / 3)", "2 ** (n / 2)"),
        (
            "another scale of FCOS",
            "[(s,) for s in trunk.levels]",
            "[(2 * s,) for s in trunk.levels]",
        ),
    ),
    *family(
        "unstride/models/detection/detector.py", (
            "tests/models/detection/test_by_name.py",
            "tests/models/detection/test_detector.py",
            "-k",
            "wide or named or refused",
        ),
        ("any option", "if unknown := sorted(options.keys() - known):", "if unknown := []:"),
        (
            "heads of the usual width",
            "if version == 2 or trunk.out_channels != WIDTH:",
            "if version == 2:",
        ),
        ("any width", "if grouped and (width % 32 or width < 64):", "if False:"),
        ("any version", "if version not in ((1, 2) if kind in SECOND else (1,)):", "if False:"),
    ),
    *family(
        "unstride/models/detection/detector.py", ("tests/models/detection/test_detector.py", "-k", "version_2"),
        (
            "no norms in the FPN",
            "norm=nn.BatchNorm2d if version == 2 and",
            "norm=nn.BatchNorm2d if False and",
        ),
        ("P6 of the level", "p6_of_features=version == 2", "p6_of_features=False"),
        (
            "one head for proposals",
            "heads.keys() - options.keys():",
            'heads.keys() - {"rpn_head"}:',
        ),
        ("the first head of RetinaNet", 'if version == 2 and "head" not in options:', "if False:"),
    ),
    *family(
        "unstride/models/detection/heads.py", (
            "tests/models/detection/test_by_name.py",
            "tests/models/detection/test_detector.py",
            "-k",
            "wide or version_2",
        ),
        (
            "a narrow vector",
            "FastRCNNPredictor(4 * width, classes)",
            "FastRCNNPredictor(width, classes)",
        ),
        ("absolute differences of boxes", '_loss_type = "giou"', '_loss_type = "l1"'),
        ("no norms in the mask head", "[width] * DEPTH, 1, norm_layer=norm", "[width] * DEPTH, 1"),
    ),
    *family(
        "unstride/models/detection/torchvision_parts.py", (
            "tests/models/detection/test_detector.py",
            "-k",
            "batch or refused or deconvolution or frozen or (numbers and 90) or no_object or nothing or pooled or kept or rounded or draws",
        ),
        ("no masks of nothing", "if not len(features):", "if False:"),
        ("boxes in half types", "widened(levels[stride])", "levels[stride]"),
        (
            "padded with black",
            "colour.expand(len(images), 3, height, width).clone()",
            "0 * colour.expand(len(images), 3, height, width)",
        ),
        ("the last size only", "like.min_size, like.max_size", "like.min_size[-1:], like.max_size"),
        ("guided mask heads", "if self.conv5_mask.guide_channels is not None:", "if False:"),
    ),
    *family(
        "unstride/models/detection/torchvision_weights.py", (
            "tests/models/detection/test_detector.py",
            "-k",
            "batch or refused or deconvolution or frozen or (numbers and 90) or no_object or nothing or pooled or kept or rounded",
        ),
        ("frozen norms of another type", "            frozen.to(norm.running_mean)\n", ""),
        ("epsilon unused", "norm.eps if epsilon is None else epsilon", "norm.eps"),
    ),
    *family(
        "unstride/models/multitask/by_name.py", (
            "tests/recipes/test_depth.py",
            "tests/recipes/test_multitask.py",
            "-k",
            "outputs or line or folder",
        ),
        ("all tasks", "for task in tasks}", "for task in TASKS}"),
        (
            "no upsampler",
            "(pyramid, chosen), options, upsampler)",
            "(pyramid, chosen), options, None)",
        ),
    ),
    *family(
        "unstride/models/multitask/multi_task.py", ("tests/models/multitask/test_multi_task.py", "-k", "part or said"),
        ("the unlabelled takes part", "if self.tasks[name].known(target).any()", "if True"),
        (
            "all are the same",
            "return self.weighting(losses), losses",
            "return sum(losses.values()), losses",
        ),
    ),
    *family(
        "unstride/models/multitask/single_task.py", ("tests/models/multitask/test_multi_task.py", "-k", "not every"),
        ("answers of half types", "raw = widened(self.head(", "raw = (self.head("),
        (
            "resized for cropped",
            "raw[:, :, : size[0], : size[1]]",
            "nn.functional.interpolate(raw, size)",
        ),
    ),
    *family(
        "unstride/models/multitask/task.py", ("tests/models/multitask/test_multi_task.py", "-k", "not every"),
        (
            "linear depth",
            "self.near * (log(self.far / self.near) * raw[:, 0].sigmoid()).exp()",
            "self.near + (self.far - self.near) * raw[:, 0].sigmoid()",
        ),
        ("not unit", "return normalize(raw, dim=1)", "return raw"),
        ("void is a class", "return target != UNLABELLED", "return target != -1"),
        ("unknown depth", "return target > 0", "return target >= 0"),
        ("regression for classes", "is_classification = True", "is_classification = False"),
    ),
    *family(
        "unstride/models/panoptic/by_name.py", ("tests/models/detection/test_by_name.py",),
        ("classes uncounted", "if classes != len(things) + len(stuff):", "if False:"),
    ),
    *family(
        "unstride/models/panoptic/panoptic_deeplab.py", ("tests/models/panoptic/test_panoptic_deeplab.py",),
        ("offsets in finest cells", "unit = max(", "unit = min("),
        ("half types", "interpolate(widened(m)", "interpolate((m)"),
        ("all pixels are hard", "HARDEST = 0.2", "HARDEST = 1.0"),
        (
            "unknown heat",
            "squares = (fields.heat - heat).square()[is_known]",
            "squares = (fields.heat - heat).square()[is_known | True]",
        ),
        ("offsets everywhere", "[is_object & is_known]", "[is_known]"),
        ("one axis only", ".abs().sum(1)[", ".abs()[:, 0]["),
        (
            "wide heads of objects",
            "narrow = max(width // 2, 1), max(width // 8, 1)",
            "narrow = max(width // 2, 1), max(width // 2, 1)",
        ),
        (
            "half the context of objects",
            "Decoder(pyramid.channels, width, half,",
            "Decoder(pyramid.channels, half, half,",
        ),
        ("not cut to the image", "[:, :, :height, :width] for m in maps", "for m in maps"),
    ),
    *family(
        "unstride/models/panoptic/panoptic_fpn.py", ("tests/models/panoptic/test_panoptic_fpn.py",),
        ("crowds are learned", "[without_crowds(t) for t in targets]", "list(targets)"),
        ("void is learned", "ignore_index=UNLABELLED", "ignore_index=-1"),
        (
            "the padding is learned",
            "part = one[None, :, :height, :width]",
            "part = interpolate(one[None], (height, width))",
        ),
        ("classes between classes", 'mode="nearest-exact"', 'mode="bilinear"'),
        (
            "the mean counts void",
            "known += int((semantic != UNLABELLED).sum())",
            "known += semantic.numel()",
        ),
        (
            "stretched by the padding",
            "part = logits[None, :, : seen[0], : seen[1]]",
            "part = logits[None]",
        ),
        ("any mask", '["masks"][:, 0] >= 0.5', '["masks"][:, 0] >= 0.05'),
        ("the loss has no weight", "self.semantic_weight * loss", "loss"),
        ("of the padded size", 'interpolate(part, size, mode="bilinear")[0]', "part[0]"),
    ),
    *family(
        "unstride/models/panoptic/postprocess.py", ("tests/models/panoptic/test_postprocess.py", "-k", "not truth"),
        (
            "the worse above",
            "scores.argsort(descending=True, stable=True).tolist()",
            "scores.argsort(stable=True).tolist()",
        ),
        ("objects overwrite", "seen = masks[i] & (ids == 0)", "seen = masks[i]"),
        ("hidden ones stay", "area - left > max_overlap * area", "False"),
        (
            "half hidden is dropped",
            "area - left > max_overlap * area",
            "area - left >= max_overlap * area",
        ),
        ("any score", "if scores[i] < min_score:", "if False:"),
        ("small stuff stays", "area < max(min_area, 1)", "area < 1"),
        (
            "stuff over objects",
            "region = (semantic == number) & free",
            "region = semantic == number",
        ),
        ("peaks everywhere", "is_peak.view_as(heat) &", "(heat > 0) &"),
        (
            "all equals are peaks",
            "is_peak = places.flatten() == torch.arange(heat.numel(), device=heat.device)",
            "is_peak = heat.flatten()[places.flatten()] == heat.flatten()",
        ),
        ("half types", "heat, offsets = widened(heat), widened(offsets)", "pass"),
        ("low peaks", "& (heat >= min_heat)", ""),
        ("points and centres transposed", "centres.flip(1).to(led.dtype)", "centres.to(led.dtype)"),
        (
            "offsets unused",
            "led = offsets[:, rows, columns] +",
            "led = 0 * offsets[:, rows, columns] +",
        ),
        ("the least decide", "int(vote.argmax())", "int(vote.argmin())"),
        ("empty centres", "if vote.any():", "if True:"),
    ),
    *family(
        "unstride/models/segmentation/by_name.py", (
            "tests/recipes/test_segmentation.py",
            "tests/models/detection/test_by_name.py",
            "-k",
            "folder_holds or what_is_wrong or not_is_named",
        ),
        ("any name", "    if name not in SEGMENTERS:\n", "    if False:\n"),
        (
            "the last upsampler is swapped too",
            "options, upsampler, (OUTPUT,))",
            "options, upsampler)",
        ),
    ),
    *family(
        "unstride/models/segmentation/hrnet_ocr.py", ("tests/models/segmentation/test_by_name.py", "-k", "places or needs_the_image or hrnet"),
        (
            "always bilinear",
            "Fusion(pyramid.channels, fusion_upsampler)",
            "Fusion(pyramid.channels)",
        ),
        ("no image", "self.fusion(features, image)", "self.fusion(features)"),
        ("widths swapped", "width=width, key_width=key_width", "width=key_width, key_width=width"),
    ),
    *family(
        "unstride/models/segmentation/segmenter.py", ("tests/models/segmentation/test_by_name.py", "-k", "not operator_at_any"),
        ("not padded", "image = pad_image(image, size)\n", ""),
        ("not cropped", "size, image=image)[:, :, :height, :width]", "size, image=image)"),
        (
            "cropped at the other end",
            "size, image=image)[:, :, :height, :width]",
            "size, image=image)[:, :, -height:, -width:]",
        ),
        ("no auxiliary logits", "if rough is None or not auxiliary:", "if True:"),
        (
            "auxiliary nearest",
            'interpolate(rough, size, mode="bilinear")',
            'interpolate(rough, size, mode="nearest")',
        ),
        ("guided by nothing", "self.last, size, image=image)", "self.last, size)"),
        (
            "always four",
            "last_upsampler, classes, pyramid.strides[0]",
            "last_upsampler, classes, 2",
        ),
    ),
    *family(
        "unstride/models/segmentation/semantic_fpn.py", ("tests/models/segmentation/test_by_name.py", "-k", "places or needs_the_image"),
        ("one operator for both", "width, fpn_upsampler)", "width, branch_upsampler)"),
        ("no image in the branch", "self.branch(levels, image)", "self.branch(levels)"),
        ("no image in the neck", "self.fpn(features, image)", "self.fpn(features)"),
    ),
    *family(
        "unstride/models/segmentation/upernet.py", ("tests/models/segmentation/test_by_name.py", "-k", "places or needs_the_image or upernet"),
        ("pooling has the fusion's", "width, pooling_upsampler)", "width, fusion_upsampler)"),
        (
            "the pooled level counts nothing",
            "{coarsest: pooled}, image)",
            "{coarsest: 0 * pooled}, image)",
        ),
        (
            "only the finest is fused",
            "self.fusion(levels, image)",
            "self.fusion({s: v * (s == 4) for s, v in levels.items()}, image)",
        ),
        ("fusion has the network's", "width), fusion_upsampler)", "width), fpn_upsampler)"),
        (
            "no pooled level",
            "self.fpn(features | {coarsest: pooled}, image)",
            "self.fpn(features | {coarsest: pooled.detach()}, image)",
        ),
        (
            "no image in the pooling",
            "self.pooling(features[coarsest], image)",
            "self.pooling(features[coarsest])",
        ),
        ("no image in the fusion", "self.fusion(levels, image)", "self.fusion(levels)"),
        ("no image in the neck", "{coarsest: pooled}, image)", "{coarsest: pooled})"),
        ("no batch normalisation", "norm=nn.BatchNorm2d", "norm=None"),
    ),
    *family(
        "unstride/models/task_network.py", ("tests/recipes/test_segmentation.py", "-k", "folder_holds"),
        ("weights stay fresh", '    load_weights(network, folder / WEIGHTS, "network")\n', ""),
        (
            "in training mode",
            "return network.eval(), described",
            "return network.train(), described",
        ),
        ("the word is lost", 'upsampler=described["upsampler"]', "upsampler=None"),
    ),
    *family(
        "unstride/models/task_network.py", ("tests/models/test_task_network.py",),
        (
            "the option is lost in the file",
            'options = dict(described["options"])',
            'options = described["options"]',
        ),
        (
            "no word of its own",
            'word = own or described["upsampler"]',
            'word = described["upsampler"]',
        ),
        ("never the word", "**more, **backbone", "**backbone"),
        ("a word that goes nowhere", "if own and not isinstance", "if False and not isinstance"),
    ),
    *family(
        "unstride/models/upsampler_options.py", ("tests/models",),
        (
            "a wrong option is a traceback",
            '    except TypeError as error:\n        raise ValueError(f"model',
            '    except KeyError as error:\n        raise ValueError(f"model',
        ),
        (
            "a wrong upsampler's option is a traceback",
            '    except TypeError as error:\n        raise ValueError(f"upsampler',
            '    except KeyError as error:\n        raise ValueError(f"upsampler',
        ),
    ),
    *family(
        "unstride/models/upsampler_options.py", (
            "tests/recipes/test_segmentation.py",
            "tests/models/detection/test_by_name.py",
            "-k",
            "folder_holds or what_is_wrong or not_is_named",
        ),
        ("at no place", "elif upsampler is not None and", "elif False and"),
    ),
    *family(
        "unstride/models/upsampler_options.py", ("tests/models/detection/test_by_name.py",),
        (
            "never in the mask head",
            "return (MASK_HEAD,) if needs_guide else ()",
            "return (MASK_HEAD,)",
        ),
        ("always in the mask head", "return (MASK_HEAD,) if needs_guide else ()", "return ()"),
    ),
]
