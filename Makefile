# make demo   the main job, from training to devices, in one table
# make test   every test
# make lint   ruff and mypy
# make docs   the documentation as a site, build/site/index.html; needs no network
# make fuzz   damaged plans against the C runtime, with clang: FUZZ_RUNS=1000000 or FUZZ_SECONDS=600
# make amalgamation   the C library as two files, build/amalgamation/trit.h and trit.c
# Each but the last two sets up .venv first; a second time that costs nothing.

PYTHON ?= python3
# Where torch comes from: cpu (the CPU build, the default), pypi (whatever PyPI has, on Linux a CUDA build of
# several GB), or the address of a package index, e.g. https://download.pytorch.org/whl/cu130
TORCH ?= cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# The package is installed as links: only C code, data files, and new or removed files need another run.
FOLDERS := cli cli/commands cli/report cli/zoo train train/recipes export export/importer export/operators export/tvm runtime targets targets/firmware targets/microcontroller targets/parts targets/rram
C_SOURCES := $(shell find runtime -name '*.[ch]' -o -name CMakeLists.txt -o -name '*.cmake')

.PHONY: setup demo test soak lint docs amalgamation fuzz fuzz-corpus fuzz-seeds clean
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

# Two tests at a time, a thread each. Many compile the same C files: where Debian's ccache is, it finds them again.
test: $(READY)
	@OMP_NUM_THREADS=1 PATH="/usr/lib/ccache:$$PATH" CCACHE_DIR="$(CURDIR)/build/ccache" $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

SOAK_TESTS := $(addprefix tests/test_,extras.py cross.py reproducible.py platforms.py embedding.py)
# What takes too long for every change: twenty kills of each command that writes, a million inferences; an environment
# for each extra and Python; the C library for other systems; wheels byte by byte.
soak: $(READY)
	@TRIT_KILLS=20 TRIT_INFERENCES=1000000 $(BIN)/python -m pytest -n 2 tests/test_killed.py tests/test_long_run.py
	@TRIT_SOAK=1 $(BIN)/python -m pytest $(SOAK_TESTS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

amalgamation:
	@$(PYTHON) runtime/amalgamate.py build/amalgamation

# What a run finds stays in build/fuzz/found, for the next run and for fuzz-corpus.
FUZZ_RUNS ?= 10000000
FUZZ_SECONDS ?= 0
FUZZ_JOBS ?= 2
FUZZ := build/fuzz
CORPUS := tests/fuzz/corpus

$(FUZZ)/tests/fuzz: $(READY) $(C_SOURCES) $(wildcard tests/c/* tests/fuzz/*.[ch])
	@command -v clang >/dev/null || \
	  { echo "make fuzz needs clang and its libFuzzer (Debian: clang libclang-rt-14-dev)" >&2; exit 2; }
	@$(BIN)/cmake -S runtime -B $(FUZZ) -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS_RELEASE=-O1 \
	  -DTRIT_SANITIZE=ON -DTRIT_FUZZ=ON >/dev/null
	@$(BIN)/cmake --build $(FUZZ) --target fuzz

fuzz: $(FUZZ)/tests/fuzz
	@mkdir -p $(FUZZ)/found
	ASAN_OPTIONS=quarantine_size_mb=8 $< -fork=$(FUZZ_JOBS) -runs=$(FUZZ_RUNS) -max_total_time=$(FUZZ_SECONDS) \
	  -max_len=4096 -timeout=10 -artifact_prefix=$(FUZZ)/ $(FUZZ)/found $(CORPUS)

# Takes over what reaches code that the corpus does not reach yet.
fuzz-corpus: $(FUZZ)/tests/fuzz
	@mkdir -p $(FUZZ)/found $(CORPUS)/found
	$< -merge=1 -use_counters=0 $(CORPUS)/found $(CORPUS)/seeds $(CORPUS)/found $(FUZZ)/found

fuzz-seeds: $(READY)
	PYTHONPATH=tests $(BIN)/python tests/fuzz/make_seeds.py

clean:
	rm -rf $(VENV) build dist *.egg-info runtime/*.so
