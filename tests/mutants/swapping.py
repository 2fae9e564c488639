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
        ("the farthest guide first", "for visit in reversed(self.visits):", "for visit in self.visits:"),
        ("the oldest guide first", "reversed(visit.outputs.items())", "visit.outputs.items()"),
        ("a guide of other images", " and len(tensor) == len(features)", ""),
        ("a second run takes no guide away", "self.places[key] = replace(self.places[key], guides=guides)", "pass"),
        ("training flags stay off", "module.training = flag", "pass"),
        ("buffers stay changed", "buffer.copy_(before)", "pass"),
    ),
    *mutants_of(
        "unstride/swapping/origin_tracking.py", SWAPPING,
        ("weights end no mark", "marks = frozenset({FROM_INPUT, FROM_INPUT_AND_WEIGHTS})", "pass"),
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
        ("a name is no more than a pattern", "or place.name in named:", "or False:"),
        ("every scale is 2", "max(place.scale, 1)", "2"),
    ),
    *mutants_of(
        "unstride/swapping/swapped_module.py", SWAPPING,
        ("a child's calls are its caller's", "        outer.depth += 1\n", "        outer.depth += 0\n"),
        ("the depth is not taken back", "        outer.depth -= 1\n", "        pass\n"),
        ("every call is the first", "self.counts[signature] += 1", "pass"),
        ("checkpoints never bring upsamplers", "is not None and not held:", "is not None:"),
        ("more places than known pass", "not in self.role.calls and known and", "not in self.role.calls and False and"),
        ("guides are not kept", "outer.outputs[role.path] = out", "pass"),
        ("any type is returned", "return up(features, None, size).to(features.dtype)", "return up(features, None, size)"),
    ),
]  # fmt: skip
