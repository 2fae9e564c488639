"""Ways to break formats."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/formats/atomic_write.py", ( "tests/evaluation/test_runner.py", "tests/cli/test_main.py", "-k", "whole or fails or half or stopped", ),
        ("written in place", 'path.with_name(f"{path.name}.{os.getpid()}.tmp")', "path"),
        ("leftovers", "temporary.unlink(missing_ok=True)", "pass"),
        ("never there", "temporary.replace(path)", "pass"),
    ),
    *mutants_of(
        "unstride/formats/atomic_write.py", ("tests/test_platforms.py",),
        ("synced through a handle that reads", 'open(temporary, "rb+")', 'open(temporary, "rb")'),
    ),
    *mutants_of(
        "unstride/formats/text.py", ("tests/formats/test_text.py",),
        ("byte order marks are text", "utf-8-sig", "utf-8"),
        ("any encoding", "except UnicodeDecodeError:", "except ZeroDivisionError:"),
        ("empty lines too", " if (stripped := line.strip())]", " if (stripped := line.strip()) or True]"),
    ),
    *mutants_of(
        "unstride/formats/images.py", ("tests/formats/test_images.py",),
        ("drives are addresses", "A-Za-z0-9+.-]+):/+", "A-Za-z0-9+.-]*):/+"),
        ("addresses are missing files", "        refuse_address(path)\n", ""),
        ("addresses are sources of nothing", "            refuse_address(source)\n", ""),
        ("no source is none found", "    if not listed:\n", "    if False:\n"),
    ),
    *mutants_of(
        "unstride/formats/cameras.py", ( "tests/datasets/test_by_name.py", "tests/datasets/test_kitti.py", "-k", "posed or kitti or sentence or poses or frame or sequences", ),
        ("centres at whole numbers", "return half_pixel_intrinsics(torch.tensor(", "return (torch.tensor("),
        ("poses transposed", ".view(3, 4)", ".view(4, 3).mT"),
    ),
    *mutants_of(
        "unstride/formats/cameras.py", ( "tests/datasets/test_kitti.py", "tests/datasets/test_kitti_depth.py", "-k", "not_there or calibration", ),
        ("any line", "if key not in rows:", "if False:"),
        ("any number of numbers", "if len(rows[key]) != count:", "if False:"),
    ),
    *mutants_of(
        "unstride/formats/coco_masks.py", ("tests/formats/test_coco_masks.py",),
        ("sums unchecked", "if sum(counts) != size[0] * size[1]:", "if False:"),
        ("negative runs", "isinstance(n, int) and n >= 0 for", "isinstance(n, int) for"),
        ("half polygons", "or len(points) % 2:", ":"),
        ("one polygon only", "[_checked_polygon(p) for p in segmentation]", "[_checked_polygon(p) for p in segmentation[:1]]"),
        ("any size", 'segmentation.get("size") != list(size)', "False"),
    ),
    *mutants_of(
        "unstride/formats/coco_panoptic.py", ( "tests/formats/test_coco_panoptic.py", "tests/metrics/test_panoptic_quality.py", "-k", "bytes or read or numbers or coco_infos or written or broken or whole or named or disagree", ),
        ("blue for red", "torch.tensor([1, 256, 65536])", "torch.tensor([65536, 256, 1])"),
        ("two bytes", "ids // 65536], -1)", "ids // 65536 * 0], -1)"),
        ("things are stuff", '"isthing": int(c.is_thing)', '"isthing": 0'),
        ("any size", "(size is not None and image.size != (size[1], size[0]))", "False"),
        ("any category", "if segment.category_id not in category_ids:", "if False:"),
        ("ids too large", "if ids.numel() and not 0 <=", "if False and not 0 <="),
    ),
    *mutants_of(
        "unstride/formats/coco_panoptic.py", ("tests/inference/test_predict.py", "tests/formats/test_coco_panoptic.py", "-k", "number"),
        ("two with one number", "len(set(map(int, names))) == len(names)", "True"),
        ("always places", "return [int(name) for name in names]", "pass"),
    ),
    *mutants_of(
        "unstride/formats/coco_results.py", ("tests/formats/test_coco_results.py",),
        ("corners", "right - left, bottom - top", "right, bottom"),
        ("labels are categories", "category_ids[label - 1]", "label"),
        ("half is outside", ">= MASK_THRESHOLD", "> MASK_THRESHOLD"),
    ),
    *mutants_of(
        "unstride/formats/features.py", ("tests/formats/test_features.py",),
        ("for the owner alone", "temporary_path.chmod(default_mode)", "pass"),
        ("file: rows for columns", "(c * height + rows.start) * width", "(c * width + rows.start) * height"),
        ("file: columns all at the left", "width + columns.start", "width"),
        ("file: rows on top of each other", "(first + i * width)", "first"),
        ("file: header not padded", 'header += b" " * (-len(header) % 8)', ""),
        ("file: any disk will do", "< size:", "< 0:"),
    ),
    *mutants_of(
        "unstride/formats/json.py", ("tests/formats/test_json.py",),
        ("NaN", "not isfinite(content) else content", "False else content"),
        ("an address", 'if callable(value) and hasattr(value, "__qualname__"):', "if False:"),
        ("a partial's address", "type(value).__qualname__ if callable(value) else str(value)", "str(value)"),
    ),
    *mutants_of(
        "unstride/formats/labels.py", ("tests/datasets/test_by_name.py",),
        ("size not compared", "if size is not None and", "if False and size is not None and"),
        ("colour taken for labels", "if image.mode not in modes:", "if False:"),
        ("eight bits taken for depth", "DEPTH_MODES = (", 'DEPTH_MODES = ("L", '),
        ("centimetres", "metres_per_step: float = 0.001", "metres_per_step: float = 0.01"),
    ),
    *mutants_of(
        "unstride/formats/labels.py", ("tests/formats/test_labels.py",),
        ("no palette", "image.putpalette((255 * palette", "image.putpalette((0 * palette"),
        ("any label", "if is_invalid.any():", "if False:"),
        ("any number of classes", "if len(colours) > UNLABELLED:", "if False:"),
        ("rounds down", "(1000 * depth.double()).round()", "(1000 * depth.double()).floor()"),
        ("near is unknown", ".clamp(1, 65535)", ".clamp(0, 65535)"),
        ("wraps", ".clamp(1, 65535)", ".clamp(min=1)"),
    ),
    *mutants_of(
        "unstride/formats/segments.py", ( "tests/formats/test_coco_panoptic.py", "tests/metrics/test_panoptic_quality.py", "-k", "bytes or read or numbers or coco_infos or written or broken or whole or named or disagree", ),
        ("boxes one short", "int(columns.max()) + 1 - left", "int(columns.max()) - left"),
        ("crowds forgotten", '"iscrowd": int(segment.is_crowd)', '"iscrowd": 0'),
        ("unnamed pixels", "if missing := sorted(in_map - set(listed)):", "if missing := []:"),
        ("empty segments", "if empty := sorted(set(listed) - in_map):", "if empty := []:"),
    ),
]  # fmt: skip
