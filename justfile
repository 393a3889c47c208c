# Recipes for working on wsdiag: `just` lists them (pip install rust-just, or your system's just).
# Everything runs from .venv, which `just venv` makes.

venv := ".venv/bin/"

# list the recipes
default:
    @just --list --unsorted

# make .venv with everything that the tests need
venv:
    python3 -m venv .venv
    {{venv}}pip install -q -e '.[dev]'

# the same, with the very versions of requirements-dev.lock
venv-locked:
    python3 -m venv .venv
    {{venv}}pip install -q --require-hashes -r requirements-dev.lock
    {{venv}}pip install -q --no-deps -e .

# write requirements-dev.lock: versions and hashes of all that development needs, newest allowed
lock:
    test -x build/uv/bin/uv || (python3 -m venv build/uv && build/uv/bin/pip install -q uv)
    build/uv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --all-extras \
      --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements-dev.lock pyproject.toml

# lint and formatting, as CI checks them
lint:
    {{venv}}ruff check .
    {{venv}}ruff format --check .

# format the code, and fix what can be fixed
format:
    {{venv}}ruff check --fix .
    {{venv}}ruff format .

# types, strict
types:
    {{venv}}mypy

# import contracts: which package may import which
imports:
    {{venv}}lint-imports

# tests, all or those named: just test tests/unit -k verdict
test *arguments:
    {{venv}}pytest {{arguments}}

# the tests that need no network
quick:
    {{venv}}pytest tests/unit tests/property tests/golden

# everything that must hold before a commit, except the slow tests
check: lint types imports quick

# rewrite the generated files: schema, docs/json.md, docs/serve.md, docs/dialects.md, man/, completions/
generate:
    {{venv}}python -m wsdiag.render.base.schema
    {{venv}}python -m wsdiag.server.reference > docs/serve.md
    {{venv}}python -m wsdiag.cli.generate
    {{venv}}python -m wsdiag.dialects.listing

# rewrite the snapshot files; review the difference before you commit it
golden:
    WSDIAG_UPDATE_GOLDEN=1 {{venv}}pytest -q tests/golden
    git --no-pager diff --stat -- tests/golden

# one benchmark, by its name: just bench codec
bench name:
    {{venv}}python tests/bench/bench_{{name}}.py

# wheel and sdist, checked as a package index does
package:
    rm -rf dist
    {{venv}}python -m build
    test -x build/twine/bin/twine || (python3 -m venv build/twine && build/twine/bin/pip install -q twine)
    build/twine/bin/twine check --strict dist/*

# one file for any Python from 3.11 on (docs/install.md)
zipapp:
    rm -rf build/app
    {{venv}}pip install -q --target build/app .
    rm -rf build/app/bin
    {{venv}}python -m zipapp -c -p '/usr/bin/env python3' -m wsdiag.cli.main:run -o build/wsdiag.pyz build/app
    build/wsdiag.pyz --version

# all of it, as CI does (Debian, root)
ci:
    bash .ci/run
