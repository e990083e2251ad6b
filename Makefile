# make demo   the main job, from training to devices, in one table
# make test   every test
# make lint   ruff and mypy
# make amalgamation   the C library as two files, build/amalgamation/trit.h and trit.c
# Each but the last sets up .venv first; a second time that costs nothing.

PYTHON ?= python3
# Where torch comes from: cpu (the CPU build, the default), pypi (whatever PyPI has, on Linux a CUDA build of
# several GB), or the address of a package index, e.g. https://download.pytorch.org/whl/cu130
TORCH ?= cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# The package is installed as links: only C code, data files, and new or removed files need another run.
FOLDERS := cli cli/commands cli/zoo train train/recipes export export/operators runtime targets targets/firmware
C_SOURCES := $(shell find runtime -name '*.[ch]' -o -name CMakeLists.txt -o -name '*.cmake')

.PHONY: setup demo test lint amalgamation clean
setup: $(READY)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "trit needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.x" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make virtual environments: install the system package python3-venv" >&2; exit 2; }

$(VENV)/torch: $(BIN)/pip .ci/install_torch.py pyproject.toml
	@$(BIN)/python .ci/install_torch.py $(TORCH)
	@touch $@

$(READY): $(VENV)/torch pyproject.toml $(FOLDERS) $(C_SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/python -m examples.demo

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

amalgamation:
	@$(PYTHON) runtime/amalgamate.py build/amalgamation

clean:
	rm -rf $(VENV) build dist *.egg-info runtime/*.so
