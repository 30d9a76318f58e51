#!/usr/bin/env bash
# Sets everything up, then checks style and runs all tests. Arguments go to pytest.
. "$(dirname "$0")/setup.sh" "[test]"
ruff check .
ruff format --check .
pyrefly check
exec python -m pytest "$@"
