#!/usr/bin/env bash
# The CARE recipe with the small model: SFT, RL under rewards by rule, RL with redundancy reweighting; then, a node of the
# reasoning left out at a time, SFT and RL again. All are rated on the test dialogues, and two tables are printed: what the
# policies do, and their replies against the real ones, CARE's published figures beside. It goes on where it was cut.
#   bash scripts/run_care.sh ESConv.json [split.json]
# NODES="context cognition emotion plan" ("" trains no ablation), OUT=runs/care, RECORDS=0 (test replies that are rated, 0: all)
# and SEED=0 can be set.
data=${1:-sample}
split=${2:-}
. "$(dirname "$0")/setup.sh" "[evaluation]"
out=${OUT:-runs/care}
shared=(--data.path "$data" --data.split "$split" --seed "${SEED:-0}")
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$PWD/$out/compiled} # the runs share their programs

[ -f "$out/start/config.json" ] || compeer init --output "$out/start" --data.path "$data" --data.split "$split" \
  --data.format care --data.silver_quotes false --seed "${SEED:-0}"

rated=()
rate() { # NAME FOLDER [SETTING ...]: one output for each test reply
  rated+=("$1=$2/test")
  [ -f "$2/test/report.json" ] || compeer eval --config configs/care_tiny_eval.yaml "${shared[@]}" "${@:3}" \
    --model.path "$2/model" --output "$2/test" --records "${RECORDS:-0}"
}

train() { # NAME FORMAT PROMPT
  local format=(--data.format "$2" --data.prompt "$3")
  compeer sft --config configs/care_tiny_sft.yaml "${shared[@]}" "${format[@]}" --output "$out/$2-sft" \
    --model.path "$out/start"
  rate "SFT$1" "$out/$2-sft" "${format[@]}"
  compeer grpo --config configs/care_tiny_grpo.yaml "${shared[@]}" "${format[@]}" --output "$out/$2-rl" \
    --model.path "$out/$2-sft/model"
  rate "SFT + RL$1" "$out/$2-rl" "${format[@]}"
}

train "" care care_brief
compeer grpo --config configs/care_tiny_grpo.yaml --config configs/care_reweighted.yaml "${shared[@]}" \
  --output "$out/care-reweighted" --model.path "$out/care-sft/model"
rate "SFT + RL, reweighted" "$out/care-reweighted"
for node in ${NODES-context cognition emotion plan}; do
  train ", no $node" "care_no_$node" "care_brief_no_$node"
done

python scripts/summarise_runs.py "${rated[@]}" | tee "$out/policies.md"
beside=$(printf '%s\n' "${rated[@]:1}" | python -c '
import json, sys
print(json.dumps(dict(line.strip().partition("=")[::2] for line in sys.stdin)))')
compeer eval generation --outputs "${rated[0]#*=}" --name "${rated[0]%%=*}" --beside "$beside" --flavour esconv \
  --published care --output "$out"
