# make demo   upsample three photographs and draw the features: demo/features.png
# make test   run every test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint mutants bench bench-operators exports reconstruct depth overfit featup-choices implicit implicit-choices gallery large tasks dejavu dejavu-pictures dejavu-costs pretraining pretraining-speed swap-changes swap-finetune inpainting inpainting-twin inpainting-costs matting architecture test-portable clean

help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/.demo
	$(BIN)/python -m benchmarks.demo

test: export OMP_NUM_THREADS ?= 1
test: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(JOBS) --part shapes $(SHAPES) $(PYTEST)
	$(BIN)/python -m pytest -q $(JOBS) --part rest $(PYTEST)

# make test-long   what takes minutes: the same checks at further sizes
test-long: export OMP_NUM_THREADS ?= 1
test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(JOBS) --part long $(PYTEST)

JOBS := -n 2 --dist worksteal  # two processes; each is given one thread

#- Shapes in the types are checked at run time in the tests of these packages (tests/conftest.py).
CHECKED := ops.border ops.reference ops.window ops.softmax upsamplers analysis tiling saving datasets
CHECKED += formats transforms viz
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
COMMA := ,
SHAPES = --jaxtyping-packages=$(subst $(SPACE),$(COMMA),$(CHECKED:%=unstride.%)),beartype.beartype

# make test-portable   run every test as on a CPU without wide vectors
test-portable: export ATEN_CPU_CAPABILITY := default
test-portable: export ONEDNN_MAX_CPU_ISA := AVX2
test-portable: export NUMBA_CPU_NAME := generic
test-portable: test

# make lint   check style, types, spelling, imports and workflows
lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

# make mutants   break the code in named ways; a test must notice each (long)
mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants

# make bench  time and memory of reassemble: docs/speed.md
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.reassembly

# make bench-operators  cost, time and memory of every operator: docs/operators.md
bench-operators: $(VENV)/.dev
	$(BIN)/python -m benchmarks.operators

# make exports  every operator by every exporter: docs/export.md
exports: $(VENV)/.dev
	$(BIN)/python -m benchmarks.exports

# make reconstruct TRAIN=... TEST=...  images through every pair: docs/reconstruction.md
reconstruct: $(VENV)/.dev
	$(BIN)/python -m benchmarks.reconstruction --train $(TRAIN) --test $(TEST)

# make depth DATA=.../redkitchen  depth learned from video: docs/geometry.md
depth: $(VENV)/.dev
	$(BIN)/python -m benchmarks.depth --data $(DATA)

# make featup-choices DATA=...  what each choice of the published stack is worth: docs/featup.md
featup-choices: $(VENV)/.dev
	$(BIN)/python -m benchmarks.featup_ablation --data $(DATA)

# make implicit  featup_implicit on two photographs: docs/featup_implicit.md
implicit: $(VENV)/.dev
	$(BIN)/python -m benchmarks.implicit

# make implicit-choices DATA=...  options of featup_implicit compared; DATA holds camvid/
implicit-choices: $(VENV)/.dev
	$(BIN)/python -m benchmarks.implicit_ablation --data $(DATA)

# make gallery  one photograph through every upsampler: docs/featup_rows.jpg
gallery: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gallery

# make large  a photograph of 2048 x 1536 pixels in limited memory: docs/memory.md
large: $(VENV)/.dev
	$(BIN)/python -m benchmarks.large_image

# make tasks DATA=...  every operator inside trained networks: docs/tasks.md (hours)
tasks: $(VENV)/.dev
	$(BIN)/python -m benchmarks.tasks --data $(DATA)

# make dejavu DATA=...  networks with and without DejaVu's loss: docs/dejavu.md (hours)
dejavu: $(VENV)/.dev
	$(BIN)/python -m benchmarks.dejavu --data $(DATA)

# make pretraining DATA=...  pretraining methods compared by probes: docs/pixpro.md (hours)
pretraining: $(VENV)/.dev
	$(BIN)/python -m benchmarks.pretraining --data $(DATA)

# make pretraining-speed  a step of PixPro against its arithmetic floor: docs/pixpro.md
pretraining-speed: $(VENV)/.dev
	$(BIN)/python -m benchmarks.pretraining_speed

# make dejavu-pictures  a photograph, redacted and regenerated: docs/dejavu_redactions.jpg
dejavu-pictures: $(VENV)/.dev
	$(BIN)/python -m benchmarks.dejavu_pictures

# make dejavu-costs  what each part of DejaVu adds to a training step: docs/dejavu.md
dejavu-costs: $(VENV)/.dev
	$(BIN)/python -m benchmarks.dejavu_costs

# make swap-changes MODEL=... DATA=...  what a fresh operator changes in a trained network: docs/swap.md
swap-changes: $(VENV)/.dev
	$(BIN)/python -m benchmarks.swap_changes --model $(MODEL) --data $(DATA)

# make inpainting DATA=...  what fills holes best: docs/inpainting.md (hours)
inpainting: $(VENV)/.dev
	$(BIN)/python -m benchmarks.inpainting --data $(DATA)

# make inpainting-twin DATA=...  a task that attention must win: docs/inpainting.md (an hour)
inpainting-twin: $(VENV)/.dev
	$(BIN)/python -m benchmarks.inpainting_twin --data $(DATA)

# make inpainting-costs  time and memory of filling a hole: docs/inpainting.md
inpainting-costs: $(VENV)/.dev
	$(BIN)/python -m benchmarks.inpainting_costs

# make matting DATA=...  operators inside one matting network: docs/matting.md (two hours)
matting: $(VENV)/.dev
	$(BIN)/python -m benchmarks.matting --data $(DATA)

# make swap-finetune DATA=...  a trained network, swapped and trained on: docs/swap.md (hours)
swap-finetune: $(VENV)/.dev
	$(BIN)/python -m benchmarks.swap_finetune --data $(DATA)

# make overfit DATA=...  every network learns eight photographs by heart: docs/tasks.md
overfit: $(VENV)/.dev
	$(BIN)/python -m benchmarks.overfit --data $(DATA)

# make architecture  redraw docs/architecture.svg and .md; print sizes of files and circles
architecture: $(VENV)/.dev
	$(BIN)/python -m benchmarks.architecture --write

clean:
	rm -rf $(VENV)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "unstride needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "this Python cannot make environments: install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.python
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.python
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo
