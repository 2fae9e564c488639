"""Ways to break datasets."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/datasets/ade20k.py", ("tests/datasets/test_labelled.py",),
        ("classes count from 0", "{i + 1: i for i", "{i: i for i"),
    ),
    *family(
        "unstride/datasets/base.py", ("tests/datasets/test_labelled.py",),
        ("missing labels go unnoticed", "self._check_complete()", "pass"),
        (
            "out of the table is clamped",
            "wrong = (labels < 0) | (inside != numbers)",
            "wrong = labels < 0",
        ),
        (
            "no class is a class",
            "wrong = (labels < 0) | (inside != numbers)",
            "wrong = inside != numbers",
        ),
        (
            "files in any order",
            "return sorted(p for",
            "return (lambda found: sorted(found, reverse=True))(p for",
        ),
        ("an empty split passes", "if not items:", "if False:"),
    ),
    *family(
        "unstride/datasets/bsds.py", ("tests/datasets/test_labelled.py",),
        ("regions count from 1", "load_labels(path, size) - 1", "load_labels(path, size)"),
        ("annotator 10 before 2", "key=lambda p: (len(p.stem), p.stem)", "key=lambda p: p.stem"),
    ),
    *family(
        "unstride/datasets/camvid.py", ("tests/datasets/test_labelled.py",),
        ("void is a class", "unlabelled=(11, 255)", "unlabelled=(255,)"),
    ),
    *family(
        "unstride/datasets/cityscapes.py", ("tests/datasets/test_labelled.py",),
        (
            "ids taken for train ids",
            "enumerate(CLASSES)}, unlabelled=(*VOID, 255)",
            "enumerate(range(19))}, unlabelled=(*VOID, 255)",
        ),
        ("train ids read as ids", "self.train_table if path", "self.table if path"),
        ("two classes swapped", '26: "car", 27: "truck"', '27: "car", 26: "truck"'),
    ),
    *family(
        "unstride/datasets/coco_detection.py", ("tests/datasets/test_instances.py", "-k", "not real"),
        ("a crowd is an object", 'if any(not e.get("iscrowd", 0) for e in each)', "if each"),
        ("boxes by their other corner", "left + width, top + height", "width, height"),
        (
            "labels from 0",
            'self.categories.index(entry["category_id"]) + 1',
            'self.categories.index(entry["category_id"])',
        ),
        ("crowds forgotten", 'bool(entry.get("iscrowd", 0))', "False"),
        (
            "classes in the file's order",
            "known = sorted(read_categories(self.file, document))",
            "known = read_categories(self.file, document)",
        ),
        (
            "photographs in the file's order",
            "self.image_ids = sorted(entries)",
            "self.image_ids = list(entries)",
        ),
        (
            "missing photographs",
            "if not path.is_file():\n                raise",
            "if False:\n                raise",
        ),
    ),
    *family(
        "unstride/datasets/coco_stuff.py", ("tests/datasets/test_labelled.py",),
        ("ids count from 1", "for i in range(182) if", "for i in range(1, 183) if"),
        ("an absent id is a class", "ABSENT = (11, 25,", "ABSENT = (12, 25,"),
        ("coarse: absent ids count", "for i in ids if i not in ABSENT", "for i in ids"),
        (
            "coarse: sky and solid swapped",
            '"sky": (105, 156),\n    "solid": (126, 134, 149, 159, 161, 181),',
            '"sky": (126, 134, 149, 159, 161, 181),\n    "solid": (105, 156),',
        ),
    ),
    *family(
        "unstride/datasets/frame_triplets.py", ("tests/datasets/test_kitti_depth.py", "-k", "neighbours"),
        ("only frames of the list", "if not isinstance(frames, KITTIDepth):", "if True:"),
        (
            "after before",
            "load_image(path) for path in (before, after)",
            "load_image(path) for path in (after, before)",
        ),
        ("what has no number", " if p.stem.isdigit()]", "]"),
        (
            "no depth",
            "if self.depth and isinstance(self.frames, Depth):",
            "if isinstance(self.frames, PosedRGBD):",
        ),
    ),
    *family(
        "unstride/datasets/frame_triplets.py", ("tests/datasets/test_kitti.py",),
        (
            "the pose of the other",
            "others = self.frames.poses, [self.places[path] for path in (before, after)]",
            "others = self.frames.poses, [self.places[path] for path in (after, before)]",
        ),
        (
            "poses the other way",
            "relative_pose(pose[frame], pose[i])",
            "relative_pose(pose[i], pose[frame])",
        ),
        (
            "of another sequence",
            "return path.parent, int(path.stem)",
            "return path.parent.parent.parent, int(path.stem) + 4 * (path.parent.parent.name == 'b')",
        ),
    ),
    *family(
        "unstride/datasets/instances.py", ("tests/datasets/test_instances.py", "-k", "not real"),
        (
            "moves the image only",
            "else self.transforms(image, target)",
            "else (self.transforms(image), target)",
        ),
    ),
    *family(
        "unstride/datasets/instances.py", ("tests/transforms/test_scale_jitter.py",),
        (
            "with their rules",
            "return plain(list(images)), plain(list(targets))",
            "return list(images), plain(list(targets))",
        ),
    ),
    *family(
        "unstride/datasets/kitti.py", ("tests/datasets/test_kitti.py", "-k", "not road and not mirror"),
        ("test in train", 'VAL = ("09", "10")', 'VAL = ("10",)'),
        ("the camera on the other side", "ours[:3, 3] = -torch", "ours[:3, 3] = torch"),
        ("the pose of camera 0", "matrix, pose @ ours", "matrix, pose"),
        (
            "grey first",
            '"image_2" if (folder / "image_2").is_dir()',
            '"image_2" if (folder / "image_3").is_dir()',
        ),
        (
            "centres at whole numbers",
            "matrix = half_pixel(projection[:, :3])",
            "matrix = projection[:, :3]",
        ),
        (
            "poses counted from 1",
            "rows[int(image.stem)], poses",
            "rows[int(image.stem) - 1], poses",
        ),
    ),
    *family(
        "unstride/datasets/kitti_depth.py", (
            "tests/datasets/test_kitti_depth.py",
            "tests/datasets/test_labelled.py",
            "-k",
            "test_kitti_depth or kitti_depth",
        ),
        ("millimetres", "unit=1 / 256", "unit=0.001"),
        ("centres at whole numbers", "half_pixel(projection[:, :3])", "projection[:, :3]"),
        ("one camera for both", "number = camera[-2:]", 'number = "02"'),
        ("rows for columns", "(height, width), size)", "(width, height), size)"),
        (
            "left is right",
            '{"l": "image_02", "r": "image_03"}',
            '{"r": "image_02", "l": "image_03"}',
        ),
        ("a list without depth", "            if depth.is_file():\n", "            if True:\n"),
        ("lists of the other splits do not count", "if drive not in taken and", "if"),
        (
            "its own list only",
            "for split in self.splits if (path",
            "for split in [self.split] if (path",
        ),
        ("a drive without photographs", "and self._photographs(drive, camera).is_dir()", ""),
        ("lists are not read", "if self.split in lists:", "if False:"),
        ("test is a folder", 'if self.split == "test":', "if False:"),
        (
            "no drives in one folder",
            'for part in ("train", "val", "")',
            'for part in ("train", "val")',
        ),
        ("a drive that is nowhere", "if folder is None:", "if False:"),
        ("PNG only", 'for suffix in (".png", ".jpg")', 'for suffix in (".png",)'),
        (
            "any line",
            "if found is None:",
            "if found is None:\n            continue\n        if False:",
        ),
        ("of another day", "/(?P<drive>\\1_drive", "/(?P<drive>\\d{4}_\\d\\d_\\d\\d_drive"),
        (
            "one name of lists",
            'LISTS = "eigen_{}_files.txt", "eigen_{}_files_with_gt.txt", "{}_files.txt"',
            'LISTS = ("eigen_{}_files.txt",)',
        ),
        (
            "raw besides",
            'folder("raw", "") / drive[:10] / drive',
            'folder("") / drive[:10] / drive',
        ),
        (
            "the calibration besides raw",
            'folder("raw", "") / drive[:10] / "calib',
            'folder("") / drive[:10] / "calib',
        ),
    ),
    *family(
        "unstride/datasets/multi_task.py", ("tests/recipes/test_multitask.py", "-k", "labels or normals or camera or line"),
        ("the nearest neighbours", "camera, reach=REACH)", "camera)"),
        (
            "the camera of another frame",
            "self.source.camera(index, size)[None]",
            "3 * self.source.camera(index, size)[None]",
        ),
        ("all labels that there are", "{task: known[task] for task in self.tasks}", "known"),
        ("labels that there are not", "if task not in offered:", "if False:"),
    ),
    *family(
        "unstride/datasets/nyuv2_tasks.py", ("tests/recipes/test_multitask.py", "-k", "labels or camera or names"),
        ("void is a class", "(numbers >= 0) & (numbers", "(numbers >= -1) & (numbers"),
        (
            "a photograph on its side",
            "_array(self.images[index], 3).movedim(-1, 0)",
            "_array(self.images[index], 3).movedim(-1, 0).mT",
        ),
        ("the camera of another size", "SIZE, size)", "SIZE, SIZE)"),
        ("any array", "if numbers.ndim != dims or", "if False and"),
    ),
    *family(
        "unstride/datasets/pennfudan.py", ("tests/datasets/test_instances.py", "-k", "pedestrian"),
        ("every fourth", "place % 5", "place % 4"),
        ("background is a pedestrian", "if n > 0]", "]"),
    ),
    *family(
        "unstride/datasets/posed_rgbd.py", ("tests/datasets/test_labelled.py",),
        ("frame 800 is not trained on", "number <= LAST_TRAIN", "number < LAST_TRAIN"),
        ("frame 840 is not validated on", "number >= FIRST_VAL", "number > FIRST_VAL"),
        ("every frame has the first pose", "poses[image.stem])", "next(iter(poses.values())))"),
    ),
    *family(
        "unstride/datasets/random_crops.py", ("tests/recipes/test_featup.py",),
        (
            "crops of the same place",
            "generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)",
            "generator = torch.Generator().manual_seed(self.seed)",
        ),
    ),
    *family(
        "unstride/datasets/resized.py", (
            "tests/recipes/test_depth.py",
            "tests/recipes/test_multitask.py",
            "-k",
            "mirrored or flip or size_of or line",
        ),
        (
            "at its own size",
            "return at_size(image[None], self.size)[0], labels",
            "return image, labels",
        ),
    ),
    *family(
        "unstride/datasets/shuffled.py", ("tests/datasets/test_shuffled.py",),
        ("one order for all rounds", "self.seed * 1_000_003 + turn", "self.seed * 1_000_003"),
        ("as the files lie", "self.source[int(order[place])]", "self.source[place]"),
        ("one draw for a round", "self.seed * 1_000_003 + index", "self.seed * 1_000_003 + turn"),
        ("the seed draws nothing", "self.seed * 1_000_003 + index", "index"),
        ("the caller's numbers are taken", "with torch.random.fork_rng(devices=[]):", "if True:"),
    ),
    *family(
        "unstride/datasets/voc.py", ("tests/datasets/test_labelled.py",),
        ("outlines are a class", "unlabelled=(255,)", "unlabelled=(0,)"),
    ),
]
