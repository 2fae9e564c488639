"""Ways to break inference."""

from tests.mutants.mutant import mutants_of

PREDICTED = "tests/inference/test_predict.py", "-k", "not folder_that_fit"

MUTANTS = [
    *mutants_of(
        "unstride/inference/batch_job.py", (*PREDICTED[:1], "tests/cli/test_main.py", "-k", "broken or beyond or mistakes or names or shorter or sizes"),
        ("success after failure", "return 1 if result.failures else 0", "return 0"),
        ("the longer side", "shorter = min(h, w)", "shorter = max(h, w)"),
        ("names clash", "if len(set(stems)) == len(stems):", "if stems:"),
        ("nothing is said", 'result.notes.append(f"{path}: {note}")', "pass"),
        ("nothing is joined", "job.finish(result.finished)", "pass"),
    ),
    *mutants_of(
        "unstride/inference/batch_job.py", ("tests/inference/test_batch_job.py",),
        ("an error ends all", "except Exception as error:  # whatever it is, it costs this image only", "except (ValueError, OSError, MemoryError, RuntimeError) as error:"),
        ("an error at the end is a traceback", "except Exception as error:  # what is done for each image stays", "except OSError as error:"),
        ("the path twice", 'error_summary(error).removeprefix(f"{path}: ")', "error_summary(error)"),
        ("leftovers stay", "    remove_leftovers(output_folder)\n", ""),
        ("brackets are markup", 'f"failed: {line}", style="red", highlight=False, markup=False,', 'f"failed: {line}", style="red", highlight=False,'),
    ),
    *mutants_of(
        "unstride/inference/batch_job.py", ("tests/inference/test_predict.py", "-k", "stopped"),
        ("done as ever", "return EXIT_INTERRUPTED", "return 0"),
        ("on with the next", "            result.is_interrupted = True\n            break", "            result.is_interrupted = True"),
    ),
    *mutants_of(
        "unstride/inference/coco_documents.py", PREDICTED,
        ("one number for all", 'detection | {"image_id": image_id}', "detection"),
    ),
    *mutants_of(
        "unstride/inference/explain.py", ("tests/inference/test_explain.py",),
        ("explain: x by the height", "int((x + 0.5) * columns / w)", "int((x + 0.5) * rows / h)"),
        ("explain: no half pixel", "int((y + 0.5) * rows / h)", "int(y * rows / h)"),
        ("explain: points outside", "if not (0 <= x < w and 0 <= y < h):", "if False:"),
        ("explain: --at outside", "if x < w and y < h:", "if x <= w and y <= h:"),
        ("explain: rows before columns", "            return x, y", "            return y, x"),
        ("explain: the output is a stage", "footprint.stages.pop(", "dict().pop("),
        ("explain: any suffix", 'out.suffix.lower() != ".png"', "not out.suffix"),
        ("explain: never untrained", "if not is_trained and", "if False and"),
        ("explain: always untrained", "if not is_trained and", "if True and"),
        ("explain: bilinear learns", "and _has_parameters(model.upsampler)", "and model"),
        ("explain: weights ignored", "stages=stages, upsampler_weights=weights", "stages=stages"),
        ("explain: stages ignored", "stages=stages, upsampler_weights=weights", "upsampler_weights=weights"),
        ("explain: stages are not written", '{"features": footprint} | footprint.stages', '{"features": footprint}'),
    ),
    *mutants_of(
        "unstride/inference/from_names.py", ( "tests/inference/test_from_names.py", "tests/features/test_pretrained.py", "-k", "main or upsample or weights or chosen or remembers", ),
        ("one normalisation for another", "_numbers(backbone.mean)", "_numbers(backbone.std)"),
        ("options are not said", 'metadata["upsampler_made_with"] =', "_ ="),
        ("the backbone's usual weights", "stride=stride, weights=backbone_weights)", "stride=stride)"),
        ("stages are ignored", "    if stages != 1:\n        options", "    if False:\n        options"),
    ),
    *mutants_of(
        "unstride/inference/memory_check.py", ("tests/inference/test_predict.py", "-k", "memory"),
        ("all images are tried", "if pixels <= UNCHECKED_PIXELS:", "if False:"),
        ("nothing is there anyway", "fewer_bytes - slope * fewer_pixels", "0"),
        ("a small one's need", "self.linear_fit[1] * pixels", "self.linear_fit[1]"),
        ("there is always room", "needed > free", "needed < 0"),
    ),
    *mutants_of(
        "unstride/inference/outputs.py", PREDICTED,
        ("the first class is left out", "logits.argmax(0)", "logits[1:].argmax(0)"),
        ("all objects are shown", "value[is_shown]", "value[is_shown | True]"),
        ("the file lacks bad objects", "detection_records(0, on_cpu,", "detection_records(0, shown,"),
        ("clipping is not said", 'f"{clipped} pixels', '"" and f"{clipped} pixels'),
    ),
    *mutants_of(
        "unstride/inference/predict.py", PREDICTED,
        ("any weights", "file_fingerprint(model / CONFIG_NAME, model / WEIGHTS_NAME)", "file_fingerprint(model / CONFIG_NAME)"),
        ("any photograph", '"photograph": file_fingerprint(image_path), ', ""),
        ("never done", "if (record := self.records.finished(relative_stem, made_with)) is not None:", "if (record := None) is not None:"),
        ("silent when done", 'return record["note"]', "return None"),
        ("not resized", "image = resize_bilinear(image, size)", "image = resize_bilinear(image, tuple(image.shape[2:]))"),
        ("any score", "if not 0 <= min_score <= 1:", "if False:"),
        ("merging forgets", 'network.merging | {"min_score": min_score}', '{"min_score": min_score}'),
        ("any task", 'if config["task"] not in PREDICTORS:', "if False:"),
    ),
    *mutants_of(
        "unstride/inference/predict.py", ("tests/inference/test_predict.py", "-k", "score"),
        ("the score is all tasks'", 'has_scores = self.model.config["task"] in SCORED_TASKS', "has_scores = True"),
    ),
    *mutants_of(
        "unstride/inference/predictors.py", PREDICTED,
        ("at its own size", 'tuple(model.config.get("size") or image.shape[2:])', "tuple(image.shape[2:])"),
        ("stuff is countable", "[False] * len(stuff)", "[True] * len(stuff)"),
        ("classes for categories", "category_ids = [*things, *stuff]", "category_ids = [*range(len(things) + len(stuff))]"),
    ),
    *mutants_of(
        "unstride/inference/predicted_outputs.py", PREDICTED,
        ("metres of all", '"m" if is_metric else ""', '"m"'),
        ("one picture for all tasks", 'f"pictures/{name}" if', '"pictures" if'),
    ),
    *mutants_of(
        "unstride/inference/predictors.py", ("tests/inference/test_predictors.py",),
        ("a list is one image", "if isinstance(image, list | tuple):", "if False:"),
        ("images are not converted", "    image = as_image(image, device)\n", ""),
        ("the rest of a batch is dropped", "if len(image) != 1:", "if False:"),
        ("gradients are recorded", "@torch.no_grad()\n", ""),
        ("depth of another size", "[:, None], size)[0, 0]", "[:, None], (8, 8))[0, 0]"),
    ),
    *mutants_of(
        "unstride/upsamplers/image_check.py", ("tests/upsamplers/test_image_check.py", "-k", "as_a_whole"),
        ("no index in a list's errors", 'name=f"image[{i}]"', 'name="image"'),
        ("values of a list are not checked", '        check_image(image, f"image[{i}]")', "        pass"),
    ),
    *mutants_of(
        "unstride/inference/upsample.py", ("tests/features/test_pretrained.py", "-k", "upsample"),
        ("upsample: the size of the image is not said", 'f"{image.shape[2]}x{image.shape[3]}"', '""'),
        ("upsample: weights ignored", "stride, upsampler_weights=weights,", "stride,"),
        ("upsample: the backbone's usual weights", "            backbone_weights=backbone_weights, fit_steps", "            fit_steps"),
    ),
    *mutants_of(
        "unstride/inference/inpaint.py", ("tests/inference/test_inpaint.py",),
        ("a full mask passes", "if is_hole.all():", "if False:"),
        ("the mask is not looked at", '"mask": file_fingerprint(mask_file),', '"mask": "",'),
        ("an empty mask is filled", 'note = None if is_hole.any() else "the mask is empty, the image is copied"', "note = None"),
        ("methods take models", "elif model is not None or attention_map:", "elif False:"),
    ),
    *mutants_of(
        "unstride/inference/classical_inpainting.py", ("tests/inference/test_inpaint.py",),
        ("the mean of all", "known = (~is_hole).to(image)", "known = torch.ones_like(is_hole).to(image)"),
        ("nothing is filled", "return torch.where(is_hole, result, image)", "return image"),
    ),
    *mutants_of(
        "unstride/inference/records.py", ("tests/inference/test_predict.py",),
        ("any options", 'record.get("made_with") != made_with', "False"),
        ("files may be gone", 'all((self.output_folder / file).is_file() for file in record["files"])', "True"),
        ("at their places at once", "opened.append((stack.enter_context(atomic_path(path)), writer))", "opened.append((path, writer))"),
    ),
    *mutants_of(
        "unstride/inference/matte.py", ("tests/inference/test_matte.py",),
        ("known pixels are estimated", "with_known_pixels(self.estimate(image, trimap), trimap)", "self.estimate(image, trimap)"),
        ("any number of sources", "if sum(source is not None for source in given) != 1:", "if False:"),
        ("the method does not matter", '"method": self.method,', '"method": "",'),
    ),
    *mutants_of(
        "unstride/inference/backgrounds.py", ("tests/inference/test_matte.py",),
        ("the picture's corner", "top, left = (size[0] - h) // 2, (size[1] - w) // 2", "top, left = 0, 0"),
    ),
    *mutants_of(
        "unstride/inference/classical_matting.py", ("tests/inference/test_matte.py",),
        ("never a copy", "scale = min((max_pixels / (size[0] * size[1])) ** 0.5, 1.0)", "scale = 1.0"),
        ("not guided", "GUIDE_VARIANCE = 1e-5", "GUIDE_VARIANCE = 1e3"),
    ),
    *mutants_of(
        "unstride/inference/network_matting.py", ("tests/inference/test_matte.py",),
        ("one tile too few", "count = -(-(length - overlap) // (tile - overlap))", "count = (length - overlap) // (tile - overlap)"),
        ("sums", "return total / weights", "return total"),
    ),
]  # fmt: skip
