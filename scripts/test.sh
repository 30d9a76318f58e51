#!/usr/bin/env bash
# Sets everything up, then checks style and types and runs the tests but for the long trials. Arguments go to pytest; `-m long` runs
# those trials, `-m ""` everything.
. "$(dirname "$0")/setup.sh" "[test]"
ruff check .
ruff format --check .
pyrefly check
exec python -m pytest -m "not long" "$@"
