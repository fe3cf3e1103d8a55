# Each command sets up what it needs and can be repeated; what is there already
# is not made again.

# make PYTHON=… takes that one. Else the first of these that is 3.11 to 3.13.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python)
# Installs faster than pip does; make UV= goes without.
UV := $(shell command -v uv 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
# Processes that test; each wants a core, and up to 4 GiB.
WORKERS ?= 2
# With GPU=1, on a machine with an NVIDIA GPU, TensorFlow's CUDA libraries are
# installed too: make demo GPU=1.
GPU ?=
CUDA := $(if $(GPU),$(VENV)/installed-gpu)

.PHONY: demo demo-pretrained test test-beam test-peers peers lint bench \
  bench-peers docs page lock clean

# Trains on CIFAR-10 for three to six minutes on two cores. A second call goes on
# with an interrupted run, or shows a finished one.
demo: $(VENV)/installed $(CUDA)
	$(BIN)/python -m and_tf.train --flagfile=configs/quick.flags --resume

# CIFAR-10 as a network sees it that was trained with ImageNet's labels: its
# figures, neighbours and a page. A second call shows what is there.
demo-pretrained: $(VENV)/installed-weights $(CUDA)
	$(BIN)/python -m and_tf.train --flagfile=configs/pretrained.flags --resume
	$(BIN)/python -m and_tf.report --run_dir=runs/pretrained

test: $(VENV)/installed-dev $(VENV)/installed-docs $(CUDA)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The tests of export.beam, in an environment of their own: Apache Beam wants
# older versions of protobuf, Pillow and pyarrow than the other tests run with.
test-beam:
	@$(MAKE) --no-print-directory VENV=$(VENV)-beam \
	  $(VENV)-beam/installed-dev-beam
	$(VENV)-beam/bin/python -m pytest tests/export/beam

# The tests of the network and the views of other methods, which need PyTorch and
# lightly in an environment of their own.
test-peers: $(VENV)/installed-dev peers
	$(BIN)/python -m pytest tests/benchmarks/peers

peers:
	@$(MAKE) --no-print-directory VENV=$(VENV)-peers \
	  $(VENV)-peers/installed-peers

# Style and types, as before each commit where pre-commit is installed.
lint: $(VENV)/installed-dev
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

# This project beside PyTorch, faiss, Pillow and keras-cv, on the same work: an
# hour or two on a machine that does nothing else. Writes benchmarks/SPEED.md.
bench: $(VENV)/installed-bench $(CUDA)
	$(BIN)/python -m benchmarks.speed

# Instance learning beside SimCLR, BYOL and others of lightly, ten minutes each: an
# hour and a half on a machine that does nothing else. They have PyTorch in an
# environment of their own. A second call goes on. Writes benchmarks/PEERS.md.
bench-peers: $(VENV)/installed peers
	$(BIN)/python -m benchmarks.peers --python=$(VENV)-peers/bin/python
	$(BIN)/python -m benchmarks.peers --page

# The pages of docs/ as a site that opens without a network: site/index.html.
# What cannot be resolved, a link or a name of the API, is an error.
docs: $(VENV)/installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "wrote site/index.html"

# Builds the script of the page of and_tf.explore out of web/, which wants npm.
# What it makes is committed, so that users need neither.
page:
	cd web && npm ci --silent && npm run --silent check && \
	  npm run --silent build
	@echo "wrote and_tf/exploring/page/explore.js"

# Chooses the versions of all packages anew, for Bazel. Wants uv.
lock:
	{ sed -n '1,/make lock/p' requirements_lock.txt; \
	  uv pip compile --quiet --python-version 3.11 --no-header --no-annotate \
	    --no-emit-index-url requirements.txt requirements-dev.txt \
	    requirements-bench.txt requirements-docs.txt; } > requirements_lock.new
	mv requirements_lock.new requirements_lock.txt

# Ends with 0 in a Python that the project runs on.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

# Each is tried, as a command may be there and its Python not. uv takes what was
# found, or looks elsewhere, or fetches one. Nothing half made is left behind.
$(BIN)/python:
	@rm -rf $(VENV); \
	for python in $(PYTHONS); do \
	  $$python -c '$(FITS)' >/dev/null 2>&1 && break; python=; \
	done; \
	{ [ -n "$(UV)" ] && "$(UV)" venv --quiet --python \
	    "$${python:-$(or $(PYTHON),>=3.11,<3.14)}" $(VENV); } \
	  >/dev/null 2>&1 || \
	{ [ -n "$$python" ] && $$python -m venv --clear $(VENV); } \
	  >/dev/null 2>&1; \
	$@ -c '$(FITS)' 2>/dev/null && exit; \
	rm -rf $(VENV); \
	if [ -n "$$python" ]; then \
	  echo "error: Expected $$python to make the environment $(VENV). Its" \
	    "modules venv and ensurepip, or room, are missing: install" \
	    "python3-venv on Debian and Ubuntu; or install uv." >&2; \
	else \
	  echo "error: Expected Python 3.11, 3.12 or 3.13. Found none as" \
	    "$(PYTHONS). Install one, or uv, or name it: make PYTHON=…" >&2; \
	fi; \
	exit 1

# Installs a requirements file. uv does not read pip's settings, such as an
# index of one's own, so that pip takes over where it fails.
define install
	@{ [ -n "$(UV)" ] && "$(UV)" pip install --quiet --python $(BIN)/python \
	  -r $< >/dev/null 2>&1; } || \
	{ { $(BIN)/python -m pip --version || $(BIN)/python -m ensurepip; } \
	    >/dev/null 2>&1 && \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check -r $<; } || \
	{ echo "error: Expected to install $< into $(VENV). What pip says of it" \
	    "is above. Run make again once that is mended." >&2; exit 1; }
	@touch $@ $(VENV)/installed
endef

# Stamps, so that a changed requirements file installs again.
$(VENV)/installed: requirements.txt | $(BIN)/python
	$(install)

$(VENV)/installed-%: requirements-%.txt requirements.txt | $(BIN)/python
	$(install)

clean:
	rm -rf $(VENV) $(VENV)-beam $(VENV)-peers
