# Sourced by the other scripts: makes a virtual environment in .venv and installs the project into it.
# PYTHON chooses the interpreter (3.11 or later); $1 is the list of extras, e.g. "[test]".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
if ! [ -f .venv/bin/activate ]; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "compeer_jax needs Python 3.11 or later; set PYTHON to one ($python is $("$python" --version 2>&1))." >&2
    exit 1
  }
  "$python" -m venv .venv
fi
# shellcheck disable=SC1091
. .venv/bin/activate
# What was installed from which pyproject.toml; nothing is installed again while it stays the same.
stamp=".venv/installed$1"
if ! cmp -s pyproject.toml "$stamp"; then
  pip install --quiet --upgrade pip
  case "$1" in *test*) pip install --quiet "torch==2.13.0" ;; esac # a fixed build, before anything asks for a newer one
  pip install --quiet --editable ".$1"
  cp pyproject.toml "$stamp"
fi
