#!/usr/bin/env bash
# A run on all hosts of a Cloud TPU slice (TPU VMs), from any machine with gcloud.
#
#   bash scripts/launch/tpu_vm.sh setup NAME ZONE [what pip shall install; default: compeer_jax[tpu]]
#   bash scripts/launch/tpu_vm.sh run NAME ZONE grpo --config grpo.yaml --output /shared/runs/grpo
#   bash scripts/launch/tpu_vm.sh stop NAME ZONE
#
# Configs, models and the output lie on storage that all hosts see under the same path (Filestore, or a bucket mounted
# with gcsfuse). `run` waits, and shows what process 0 says; given again, it goes on from the last checkpoint. `stop`
# lets a run finish its step, save and leave.
set -euo pipefail

usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

[ "$#" -ge 3 ] || usage
action=$1 name=$2 zone=$3
shift 3

on_all_hosts() {
  gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"
}

case "$action" in
  setup)
    what=${1:-'compeer_jax[tpu]'}
    on_all_hosts "python3 -m venv ~/compeer && ~/compeer/bin/pip install --quiet --upgrade $(printf '%q' "$what")"
    ;;
  run)
    [ "$#" -ge 1 ] || usage
    # Each host finds the others by what the TPU runtime tells it.
    on_all_hosts "~/compeer/bin/compeer$(printf ' %q' "$@" --processes.coordinator auto)"
    ;;
  stop)
    on_all_hosts "pkill -TERM -f compeer/bin/compeer || true"
    ;;
  *)
    usage
    ;;
esac
