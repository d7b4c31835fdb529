# make lab: open the lessons.  make test: everything that CI checks.  Both set up what they need in .venv.
# make player: format assets/player/ and build assets/player.js from it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
TOOLS := $(VENV)/tools
SHELL := /bin/bash
TSC := npx -y -p typescript@5.9.3 tsc --noEmit --allowJs --checkJs --strict --noUnusedLocals \
	--target es2022 --module es2022 --moduleResolution bundler --lib es2022,dom,dom.iterable

.PHONY: lab test lint types unit course browser player site refresh clean

lab: $(READY)
	$(BIN)/hfedu lab

test: $(TOOLS) lint types unit course browser

$(VENV)/constraints.txt: pyproject.toml binder/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "hfedu needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	grep -v '^\.' binder/requirements.txt > $@

$(READY): $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[lab,pictures]' -c $<
	@$(BIN)/python -c 'from hfedu.guest.toolchain import compiler; compiler()' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[compile]' -c $<
	@touch $@

$(TOOLS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]' -c $(VENV)/constraints.txt
	@touch $@

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if command -v npx >/dev/null; then \
		$(BIN)/python assets/player/build.py --check && echo "assets/player: formatted, and assets/player.js is built from it"; \
	elif [ -n "$$CI" ]; then echo "CI checks and builds assets/player: put Node.js and npx on the PATH"; exit 1; \
	else echo "LEFT OUT: checking the format of assets/player and building it needs Node.js with npx"; fi

types: $(TOOLS)
	$(BIN)/mypy
	@if command -v npx >/dev/null; then $(TSC) assets/player/*.js && echo "tsc: assets/player is well typed"; \
	elif [ -n "$$CI" ]; then echo "CI checks the types of assets/player: put Node.js and npx on the PATH"; exit 1; \
	else echo "LEFT OUT: checking the types of assets/player needs Node.js with npx"; fi

unit: $(TOOLS)
	$(BIN)/pytest tests --ignore tests/browser -n 2 -q
	@$(BIN)/python tests/sizes.py

course: $(TOOLS)
	$(BIN)/hfedu course check

browser: $(TOOLS)
	$(BIN)/pytest tests/browser -q -rs

player: $(TOOLS)
	$(BIN)/python assets/player/build.py

site: $(TOOLS)
	$(BIN)/python site/build.py

refresh: $(TOOLS)
	$(BIN)/python tests/refresh_notebooks.py
	$(BIN)/python tests/refresh_pictures.py

clean:
	rm -rf $(VENV) test-output

.PHONY: help quick
.DEFAULT_GOAL := help

quick: $(TOOLS) lint types
	$(BIN)/pytest tests --ignore tests/browser -n 2 -q -m 'not slow'

help:
	@echo 'make lab      open the lessons in JupyterLab'
	@echo 'make quick    before a commit: lint, types and a minute of tests'
	@echo 'make test     everything that CI checks: lint, types, unit, course and browser'
	@echo 'make lint     how the code is written'
	@echo 'make types    what the type checkers say'
	@echo 'make unit     all tests without a browser, and the size of each room'
	@echo 'make course   the lessons, tested like code'
	@echo 'make browser  the tests in JupyterLab and Chromium'
	@echo 'make site     the site into build/site: pages whose runs play, and JupyterLite; OFFLINE=1 puts Pyodide into it'
	@echo 'make player   format assets/player, and build assets/player.js from it'
	@echo 'make refresh  write again what is stored: the outputs of the lessons, the pictures that tests compare'
	@echo 'make clean    remove .venv and what tests left'
	@echo 'One test:     .venv/bin/pytest tests/test_ramdisk.py -k size'
