# Two commands set everything up: `make demo` and `make test`. Both can be
# repeated; what is there already is not made again.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test build format clean

# Trains on CIFAR-10 for about ten minutes on two cores. A second call goes on
# with an interrupted run, or shows a finished one.
demo: $(VENV)/installed
	$(BIN)/python -m and_tf.train --flagfile=configs/quick.flags --resume

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

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

clean:
	rm -rf $(VENV)
