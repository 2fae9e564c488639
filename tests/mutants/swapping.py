"""Ways to break swapping."""

from tests.mutants.mutant import mutants_of

SWAPPING = (
    "tests/swapping/test_swap.py",
    "tests/swapping/test_places.py",
    "-k",
    "not compiles and not exports",
)

MUTANTS = [
    *mutants_of(
        "unstride/swapping/dry_run.py", SWAPPING,
        ("keywords are one argument", "if isinstance(example, Mapping):", "if False:"),
        ("only a dict holds keywords", "if isinstance(example, Mapping):", "if isinstance(example, dict):"),
        ("what keywords hold is no input", "OriginTracker(model, (args, kwargs))", "OriginTracker(model, args)"),
        ("the farthest guide first", "for call in reversed(self.call_stack):", "for call in self.call_stack:"),
        ("the oldest guide first", "reversed(call.child_outputs.items())", "call.child_outputs.items()"),
        ("a guide of other images", " and len(tensor) == len(features)", ""),
        ("a second run takes no guide away", "self.places[key] = replace(self.places[key], guide_candidates=guides)", "pass"),
        ("training flags stay off", "module.training = flag", "pass"),
        ("buffers stay changed", "buffer.copy_(original)", "pass"),
    ),
    *mutants_of(
        "unstride/swapping/origin_tracking.py", SWAPPING,
        ("weights end no mark", "origins = frozenset({FROM_INPUT, FROM_INPUT_AND_WEIGHTS})", "pass"),
        ("what is learned is forgotten", "frozenset({FROM_INPUT, FROM_INPUT_AND_WEIGHTS})", "frozenset({FROM_INPUT})"),
    ),
    *mutants_of(
        "unstride/swapping/places.py", SWAPPING,
        ("corners tell no calls apart", "bool(align_corners)", "False"),
    ),
    *mutants_of(
        "unstride/swapping/surgery.py", SWAPPING,
        ("idle weights want gradients", ".requires_grad_(False)", ""),
        ("upsamplers train while the model does not", ".train(module.training)", ""),
        ("nn.Upsample has no code of its own", " and not isinstance(child, nn.Upsample)", ""),
    ),
    *mutants_of(
        "unstride/swapping/place_upsamplers.py", SWAPPING,
        ("a name is no more than a pattern", "or place.name in exact_names:", "or False:"),
        ("every scale is 2", "max(place.scale, 1)", "2"),
    ),
    *mutants_of(
        "unstride/swapping/swapped_module.py", SWAPPING,
        ("a child's calls are its caller's", "        outer.child_depth += 1\n", "        outer.child_depth += 0\n"),
        ("the depth is not taken back", "        outer.child_depth -= 1\n", "        pass\n"),
        ("every call is the first", "self.call_counts[signature] += 1", "pass"),
        ("checkpoints never bring upsamplers", "if is_whole_model and not upsampler_keys:", "if is_whole_model:"),
        ("more places than known pass", "not in slots and num_known and", "not in slots and False and"),
        ("guides are not kept", "outer.child_outputs[state.module_path] = out", "pass"),
        ("any type is returned", "return upsampler(features, None, size).to(features.dtype)", "return upsampler(features, None, size)"),
    ),
    *mutants_of(
        "unstride/swapping/surgery.py", ("tests/swapping/test_copied_kernels.py",),
        ("always copied", "if copy_kernels else {}", "if True else {}"),
    ),
    *mutants_of(
        "unstride/swapping/place_upsamplers.py", ("tests/swapping/test_copied_kernels.py",),
        ("the default side", "or _maker(factory) is not Deconvolution", "or True"),
        ("channels may change", "        if others:\n", "        if False:\n"),
    ),
]  # fmt: skip
