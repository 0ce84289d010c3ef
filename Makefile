# Every target works on a fresh clone with nothing but Python and make; the first one that runs makes .venv.
PYTHON ?= python3
VENV ?= .venv
# Where MNIST and CIFAR-10 lie as Parquet, for the benchmarks.
DATA ?= data
AXE = 4.14.1
BIN = $(VENV)/bin
# Python compiles a file when it is first imported, unless the environment forbids it; most of what is installed never is.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile) -c constraints.txt

.PHONY: demo test test-all browser check docs bench clean

demo: $(VENV)/.run
	$(BIN)/hashlens demo

# Two processes of one thread each: threads of two processes would wait for each other. Who has no tests left takes some
# of the other's.
PYTEST = HASHLENS_AXE=$${HASHLENS_AXE:-$(VENV)/axe.min.js} OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

test: $(VENV)/.dev
	$(PYTEST) -m "not slow"

# Every test, with every package that hashlens can work with.
test-all: $(VENV)/.all browser
	$(PYTEST)

# What the tests of pages need besides: Debian's Chromium, without windows, and axe-core. Without them those tests are
# skipped, and say so.
browser: | $(BIN)/pip
	command -v chromium-headless-shell || test "$$(id -u)" != 0 || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium-headless-shell fonts-dejavu-core; } >/dev/null || true
	test -f $(VENV)/axe.min.js || ! command -v npm || { there=$$(mktemp -d) && \
	  npm pack --silent --fetch-retries=1 --pack-destination $$there axe-core@$(AXE) && \
	  tar -xzf $$there/axe-core-$(AXE).tgz -O package/axe.min.js >$$there/axe.min.js && mv $$there/axe.min.js $(VENV); } || true

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench_capture.py
	$(BIN)/python benchmarks/bench_measure.py --data $(DATA)/mnist
	$(BIN)/python benchmarks/bench_ensemble.py --data $(DATA)/mnist
	$(BIN)/python benchmarks/bench_monitor.py --data $(DATA)
	$(BIN)/python benchmarks/bench_slice.py
	$(BIN)/python benchmarks/bench_memory.py --data $(DATA)/cifar10

clean:
	rm -rf $(VENV) docs/_build hashlens-demo

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[test,check,docs]'
	touch $@ $(VENV)/.run

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[test,test-all,check,docs]'
	touch $@ $(VENV)/.dev $(VENV)/.run
