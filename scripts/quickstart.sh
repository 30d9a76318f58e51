#!/usr/bin/env bash
# Sets everything up, then trains a small model and prints what it learned. Arguments go to `compeer quickstart`.
. "$(dirname "$0")/setup.sh" ""
exec compeer quickstart "$@"
