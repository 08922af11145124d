# Two commands need no more than make and Python 3.11 or newer:
#   make demo    install with the demo's data, run the main job on real KM3NeT files
#   make test    install with the developer's tools, run every check and test
# Another interpreter: make PYTHON=/path/to/python3.12 demo

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
# files of tests that run at a time
JOBS ?= 2

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint types layers unit simulator soak bench format clean

help:
	@sed -n 's/^#  *\(make .*\)/\1/p' $(MAKEFILE_LIST)
	@echo "make lint    style, types and layers only        make bench   measure beside the peers"
	@echo "make soak    the long tests                      make clean   remove what make made"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "km3gpu needs Python 3.11 or newer; none was found in PATH" \
	    "(make PYTHON=/path/to/python3.11 ...)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	    "km3gpu needs Python 3.11 or newer; $(PYTHON) is %d.%d (make PYTHON=/path/to/python3.11 ...)" % v[:2])'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment" \
	    "(on Debian: apt install python3-venv)" >&2; exit 1; }

# one stamp per set of extras; a changed pyproject.toml installs again
$(VENV)/installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

demo: $(VENV)/installed-demo
	$(BIN)/km3gpu demo --out $(OUT)

test: lint unit simulator

lint: types layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

layers: $(VENV)/installed-dev
	$(BIN)/lint-imports

unit: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not soak and not cudasim" --durations=10

# the simulator replaces the CUDA target when numba is imported, so it gets a process of its own
simulator: $(VENV)/installed-dev
	NUMBA_ENABLE_CUDASIM=1 KM3GPU_BACKEND=cudasim $(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/kernels

soak: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m soak

bench: $(VENV)/installed-dev $(VENV)/installed-bench
	$(BIN)/python -m benchmarks

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
