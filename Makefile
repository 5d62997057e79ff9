# `make bench` and `make test` are all that a fresh Debian machine needs; both set up what is missing first.
.PHONY: bench test test-all setup browser lint format help

VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
DEBIAN := qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi cmake ninja-build gcc libc6-dev

help:
	@echo "make bench     set up, run the digits suite on an emulated Cortex-M4, print the table"
	@echo "make test      set up, run the tests (slow ones apart)"
	@echo "make test-all  the tests, slow ones too"
	@echo "make lint      ruff, mypy --strict, clang-format, layers"
	@echo "make format    rewrite sources as the linters want them"

bench: setup
	@echo "== digits on an emulated Cortex-M4F (QEMU)"
	@$(BIN)/pytest suites/digits.hil.yaml --board=qemu --framework=tvm --hil-require -q

test: setup browser
	@echo "== tests"
	@$(BIN)/pytest -q -n 2 -m "not slow"

test-all: setup browser
	@$(BIN)/pytest -q -n 2

setup: $(VENV)/.ready

# Debian's packages, then a virtual environment with the extras that `bench` and `test` use. Nothing is done twice.
$(VENV)/.ready: pyproject.toml Makefile
	@missing=$$(for p in $(DEBIAN); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  echo "== installing from Debian:" $$missing; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("hilbench needs Python 3.11 or later: make PYTHON=...")'
	@echo "== virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[tvm,tflm,emlearn,probe,farm,sql,report,test]'
	@touch $@

# The pages of reports and leaderboards are tested in a real browser.
browser:
	@if ! command -v chromium >/dev/null; then \
	  echo "== installing from Debian: chromium"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	fi

lint: setup
	@$(BIN)/pytest -q tests/test_house.py

format: setup
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $$(git ls-files 'firmware/*.[ch]' 'firmware/*.cc' 'tests/*.[ch]' 'docs/*.[ch]')
