"""Ways to break inference."""

from tests.mutants.mutant import mutants_of

PREDICTED = "tests/inference/test_predict.py", "-k", "not folder_that_fit"

MUTANTS = [
    *mutants_of(
        "unstride/inference/batch_job.py", ( *PREDICTED[:1], "tests/cli/test_main.py", "-k", "broken or beyond or mistakes or names or shorter or sizes", ),
        ("success after failure", "return 1 if failed else 0", "return 0"),
        ("the longer side", "shorter = min(h, w)", "shorter = max(h, w)"),
        ("names clash", "if len(set(named)) == len(named):", "if named:"),
        ("nothing is said", 'said += [f"{path}: {note}"] if note else []', "pass"),
        ("nothing is joined", "job.finish(done)", "pass"),
    ),
    *mutants_of(
        "unstride/inference/batch_job.py", ("tests/inference/test_predict.py", "-k", "stopped"),
        ("done as ever", "return EXIT_INTERRUPTED", "return 0"),
        ("on with the next", "                stopped = True\n                break", "                stopped = True"),
    ),
    *mutants_of(
        "unstride/inference/coco_documents.py", PREDICTED,
        ("one number for all", 'entry | {"image_id": number}', "entry"),
    ),
    *mutants_of(
        "unstride/inference/explain.py", ("tests/inference/test_explain.py",),
        ("explain: x by the height", "int((x + 0.5) * columns / w)", "int((x + 0.5) * rows / h)"),
        ("explain: no half pixel", "int((y + 0.5) * rows / h)", "int(y * rows / h)"),
        ("explain: points outside", "if not (0 <= x < w and 0 <= y < h):", "if False:"),
        ("explain: --at outside", "if x < w and y < h:", "if x <= w and y <= h:"),
        ("explain: rows before columns", "            return x, y", "            return y, x"),
        ("explain: the output is a stage", "one.stages.pop(", "dict().pop("),
        ("explain: any suffix", 'out.suffix.lower() != ".png"', "not out.suffix"),
        ("explain: never untrained", "if not trained and", "if False and"),
        ("explain: always untrained", "if not trained and", "if True and"),
        ("explain: bilinear learns", "and _has_parameters(model.upsampler)", "and model"),
        ("explain: weights ignored", "stages=stages, weights=weights)", "stages=stages)"),
        ("explain: stages ignored", "stages=stages, weights=weights)", "weights=weights)"),
        ("explain: stages are not written", '{"features": one} | one.stages', '{"features": one}'),
    ),
    *mutants_of(
        "unstride/inference/from_names.py", ( "tests/inference/test_from_names.py", "tests/features/test_pretrained.py", "-k", "main or upsample or weights or chosen", ),
        ("options are not said", 'described["upsampler_made_with"] =', "_ ="),
        ("the backbone's usual weights", "stride=stride, weights=backbone_weights)", "stride=stride)"),
        ("stages are ignored", "    if stages != 1:\n        options", "    if False:\n        options"),
    ),
    *mutants_of(
        "unstride/inference/memory_check.py", ("tests/inference/test_predict.py", "-k", "memory"),
        ("all images are tried", "if pixels <= UNCHECKED_PIXELS:", "if False:"),
        ("nothing is there anyway", "less - slope * few", "0"),
        ("a small one's need", "self.line[1] * pixels", "self.line[1]"),
        ("there is always room", "wanted > free", "wanted < 0"),
    ),
    *mutants_of(
        "unstride/inference/outputs.py", PREDICTED,
        ("the first class is left out", "logits.argmax(0)", "logits[1:].argmax(0)"),
        ("all objects are shown", "value[good]", "value[good | True]"),
        ("the file lacks bad objects", "detection_records(0, here,", "detection_records(0, shown,"),
        ("clipping is not said", 'f"{clipped} pixels', '"" and f"{clipped} pixels'),
    ),
    *mutants_of(
        "unstride/inference/predict.py", PREDICTED,
        ("any weights", "file_fingerprint(model / CONFIG_NAME, model / WEIGHTS_NAME)", "file_fingerprint(model / CONFIG_NAME)"),
        ("any photograph", '"photograph": file_fingerprint(path),', ""),
        ("never done", "if (told := self._done(name, made_with)) is not None:", "if (told := None) is not None:"),
        ("any options", 'told.get("made_with") != made_with', "False"),
        ("files may be gone", 'if all((self.out / file).is_file() for file in told["files"])', "if True"),
        ("silent when done", 'return told["note"]', "return None"),
        ("not resized", "image = resize_image(image, size)", "image = resize_image(image, tuple(image.shape[2:]))"),
        ("at their places at once", "opened = [\n                (stack.enter_context(atomic_path(_ensure_parent(place))), write)", "opened = [\n                (_ensure_parent(place), write)"),
        ("any score", "if not 0 <= score <= 1:", "if False:"),
        ("merging forgets", 'network.merging | {"min_score": score}', '{"min_score": score}'),
        ("any task", 'if described["task"] not in PREDICTORS:', "if False:"),
    ),
    *mutants_of(
        "unstride/inference/predict.py", ("tests/inference/test_predict.py", "-k", "score"),
        ("the score is all tasks'", 'if self.model.described["task"] in SCORED_TASKS else None', ""),
    ),
    *mutants_of(
        "unstride/inference/predictors.py", PREDICTED,
        ("metres of all", '"m" if known else ""', '"m"'),
        ("at its own size", 'tuple(model.described.get("size") or image.shape[2:])', "tuple(image.shape[2:])"),
        ("stuff is countable", "[False] * len(stuff)", "[True] * len(stuff)"),
        ("classes for categories", "numbers = [*things, *stuff]", "numbers = [*range(len(things) + len(stuff))]"),
        ("one picture for all tasks", 'f"pictures/{name}" if', '"pictures" if'),
    ),
    *mutants_of(
        "unstride/inference/upsample.py", ("tests/features/test_pretrained.py", "-k", "upsample"),
        ("upsample: weights ignored", "stride, weights=weights, backbone_weights=backbone_weights,", "stride, backbone_weights=backbone_weights,"),
        ("upsample: the backbone's usual weights", "weights=weights, backbone_weights=backbone_weights,", "weights=weights,"),
    ),
]  # fmt: skip
