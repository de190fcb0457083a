# make demo   the whole path on a rendered world, from nothing to an exported tower and what it finds, in runs/demo/
# make test   the tests but for those that take longest, which make test-all has too
# make lint   the linter, the import contracts and the types
# make fuzz   spoilt files, odd flags and odd answers, for MINUTES=20; findings in runs/fuzz/findings/
# Each makes the environment in .venv first, if it is missing or requirements.txt has changed.

VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
# Another world, another search, other random losses: make demo WORLD_SEED=1, in runs/demo-1/.
WORLD_SEED ?= 0
DEMO := runs/demo$(if $(filter-out 0,$(WORLD_SEED)),-$(WORLD_SEED))

# The first interpreter that runs and is supported; a name on the PATH may be a stub that does not run.
PYTHON ?= $(shell for python in python3.11 python3.10 python3.9 python3 python; do \
	$$python -c 'import sys, venv; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)

.PHONY: demo test test-all lint fuzz clean
.DELETE_ON_ERROR:

$(READY): requirements.txt setup.cfg
	@$(if $(PYTHON),:,echo "error: no Python 3.9, 3.10 or 3.11 found (TensorFlow 2.15 runs on no other); \
	install one, for example with 'apt-get install python3.11 python3.11-venv' or 'uv python install 3.11', \
	or name it: make PYTHON=/path/to/python3.11" >&2; exit 2)
	@echo "Creating $(VENV) with $(PYTHON) and installing the pinned packages (about 2 GB, once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "setuptools>=64,<81" wheel
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e .[dev]
	@touch $@

# What has been done is not done again; the export alone would make a second version.
demo: $(READY)
	$(BIN)/python -m elo_tf.prepare --flagfile=experiments/flagfiles/demo_world.flags --world_seed=$(WORLD_SEED) \
		--videos=$(DEMO)/videos --records=$(DEMO)/records
	$(BIN)/python -m elo_tf.search --flagfile=experiments/flagfiles/demo.flags --seed=$(WORLD_SEED) \
		--records=$(DEMO)/records/unlabelled --run_dir=$(DEMO)/search
	@echo "Training towers by eight losses, two at a time; a few minutes ..."
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target WORLD_SEED=$(WORLD_SEED) \
		$(addprefix demo-,$(DEMO_RUNS))
	$(BIN)/python -m elo_tf.evaluate --flagfile=experiments/flagfiles/demo_evaluate.flags \
		--checkpoint=$(subst $(SPACE),$(COMMA),$(DEMO_RUNS:%=$(DEMO)/%)) --records=$(DEMO)/records/labelled \
		--output=$(DEMO)/evaluation
	test -d $(DEMO)/models/elo_rgb/1 || $(BIN)/python -m export.saved_model \
		--checkpoint=$(DEMO)/evolved --output=$(DEMO)/models/elo_rgb --evaluation=$(DEMO)/evaluation/results.json
	$(BIN)/python -m elo_tf.embed --model=$(DEMO)/models/elo_rgb --videos=$(DEMO)/videos/labelled \
		--output=$(DEMO)/embeddings.npz
	$(BIN)/python -m elo_tf.embed --model=$(DEMO)/models/elo_rgb --output=$(DEMO)/embeddings.npz --centre \
		--query=$$(ls $(DEMO)/videos/labelled/orbit/*.mp4 | head -n 1) --picture=$(DEMO)/neighbours.png
	$(BIN)/python -m experiments.demo --evaluation=$(DEMO)/evaluation --picture=$(DEMO)/demo.png

# The loss that was found, and what it is compared with: losses of the same terms, in the same units.
DEMO_RUNS := evolved $(addprefix random-,1 2 3 4 5 6) equal
FOUND := $(DEMO)/search/evolved_loss.json
demo-evolved: LOSS = --loss=$(FOUND)
demo-random-%: LOSS = --loss=random:$(WORLD_SEED)$(lastword $(subst -, ,$@)) --like=$(FOUND)
demo-equal: LOSS = --loss=equal --like=$(FOUND)
demo-%:
	$(BIN)/python -m elo_tf.train --flagfile=experiments/flagfiles/demo_train.flags --seed=$(WORLD_SEED) --threads=1 \
		$(LOSS) --records=$(DEMO)/records/unlabelled --run_dir=$(@:demo-%=$(DEMO)/%)

COMMA := ,
SPACE := $(subst ,, )

# In the order of tests/conftest.py: files that take long begin first.
PYTEST := $(BIN)/python -m pytest -n 2 --dist=loadfile --no-loadscope-reorder

test: $(READY)
	@$(PYTEST) -m "not slow" $(TESTS)

test-all: $(READY)
	@$(PYTEST) $(TESTS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

MINUTES ?= 20
FUZZ_SEED ?= 0
fuzz: $(READY)
	@$(BIN)/python -m tests.fuzz --minutes=$(MINUTES) --seed=$(FUZZ_SEED) --folder=runs/fuzz

clean:
	rm -rf $(VENV) runs
