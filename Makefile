# Each command sets up what it needs and can be repeated; what is there already
# is not made again.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Processes that test; each wants a core, and up to 4 GiB.
WORKERS ?= 2
# With GPU=1, on a machine with an NVIDIA GPU, TensorFlow's CUDA libraries are
# installed too: make demo GPU=1.
GPU ?=
CUDA := $(if $(GPU),$(VENV)/installed-gpu)

.PHONY: demo test bench build clean

# Trains on CIFAR-10 for about ten minutes on two cores. A second call goes on
# with an interrupted run, or shows a finished one.
demo: $(VENV)/installed $(CUDA)
	$(BIN)/python -m and_tf.train --flagfile=configs/quick.flags --resume

test: $(VENV)/installed-dev $(CUDA)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# This project beside PyTorch, faiss, Pillow and keras-cv, on the same work: an
# hour or two on a machine that does nothing else. Writes benchmarks/SPEED.md.
bench: $(VENV)/installed-bench $(CUDA)
	$(BIN)/python -m benchmarks.speed

# Writes BUILD anew from the imports that the files have.
build: $(VENV)/installed-dev
	$(BIN)/python -m tests.build_targets

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: Expected $(PYTHON). Name another 3.11+ with make PYTHON=…" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

# Stamps, so that a changed requirements file installs again.
$(VENV)/installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/installed

$(VENV)/installed-bench: requirements-bench.txt requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@ $(VENV)/installed

$(VENV)/installed-gpu: requirements-gpu.txt requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-gpu.txt
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV)
