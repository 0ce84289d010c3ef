# Every target works on a fresh clone with nothing but Python and make; the first one that runs makes .venv.
PYTHON ?= python3
VENV ?= .venv
# Where MNIST and CIFAR-10 lie as Parquet, for the benchmarks.
DATA ?= data
BIN = $(VENV)/bin
PIP = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check docs bench clean

demo: $(VENV)/.run
	$(BIN)/hashlens demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q

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
