#!/usr/bin/env bash
# The CARE recipe with the small model: SFT, RL under rewards by rule, RL with redundancy reweighting; then, a node of the
# reasoning left out at a time, SFT and RL again; then baselines that learn plain replies. All are rated on the same test
# replies, and two tables are printed: what the policies do, and their replies against the real ones, CARE's published
# figures beside. Last, a study of CARE's SFT + RL against each baseline is written for people to judge. It goes on where
# it was cut.
#   bash scripts/recipes/care.sh ESConv.json [split.json]
# AUGESC=augesc.txt and EXTES=ExTES.json train baselines on these corpora too. NODES="context cognition emotion plan" (""
# trains no ablation), OUT=runs/care, RECORDS=0 (test replies that are rated, 0: all), LEARN=4000 (replies of AugESC and of
# ExTES that are learnt from, 0: all), DIALOGUES=200 (at most, of the study) and SEED=0 can be set.
data=${1:-sample}
split=${2:-}
. "$(dirname "$0")/../setup.sh" "[evaluation]"
out=${OUT:-runs/care}
mkdir -p "$out"
corpus=(--data.path "$data" --data.split "$split")
seed=(--seed "${SEED:-0}")
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$(cd "$out" && pwd)/compiled} # the runs share their programs

for file in "${AUGESC:-}" "${EXTES:-}"; do
  [ -z "$file" ] || [ -f "$file" ] || { echo "care.sh: $file is no file; name the corpus, or leave the variable out." >&2; exit 1; }
done

[ -f "$out/start/config.json" ] || compeer init --output "$out/start" "${corpus[@]}" --data.format care \
  --data.silver_quotes false "${seed[@]}"

named() { # NAME=FOLDER …: as a mapping of settings
  python -c 'import json, sys; print(json.dumps(dict(one.partition("=")[::2] for one in sys.argv[1:])))' "$@"
}

rated=()
rate() { # NAME FOLDER [SETTING ...]: one output for each test reply, of the same ones for all
  local first=${rated[0]:-}
  rated+=("$1=$2/test")
  local same=(--records "${RECORDS:-0}")
  [ -z "$first" ] || same=(--records_of "${first#*=}")
  [ -f "$2/test/report.json" ] || compeer eval --config configs/care_tiny_eval.yaml "${corpus[@]}" "${seed[@]}" "${@:3}" \
    --model.path "$2/model" --output "$2/test" "${same[@]}"
}

train() { # NAME FORMAT PROMPT
  local format=(--data.format "$2" --data.prompt "$3")
  compeer sft --config configs/care_tiny_sft.yaml "${corpus[@]}" "${seed[@]}" "${format[@]}" --output "$out/$2-sft" \
    --model.path "$out/start"
  rate "SFT$1" "$out/$2-sft" "${format[@]}"
  compeer grpo --config configs/care_tiny_grpo.yaml "${corpus[@]}" "${seed[@]}" "${format[@]}" --output "$out/$2-rl" \
    --model.path "$out/$2-sft/model"
  rate "SFT + RL$1" "$out/$2-rl" "${format[@]}"
}

baselines=()
baseline() { # NAME FOLDER [SETTING ...]: plain replies, of whatever corpus
  compeer sft --config configs/care_tiny_plain_sft.yaml "${seed[@]}" --output "$2" --model.path "$out/start" "${@:3}"
  rate "SFT, plain replies ($1)" "$2" --data.format plain --data.prompt plain_brief
  baselines+=("$1=$2/test")
}

train "" care care_brief
compeer grpo --config configs/care_tiny_grpo.yaml --config configs/care_reweighted.yaml "${corpus[@]}" "${seed[@]}" \
  --output "$out/care-reweighted" --model.path "$out/care-sft/model"
rate "SFT + RL, reweighted" "$out/care-reweighted"
baseline "$([ "$data" = sample ] && echo sample || echo ESConv)" "$out/plain-sft" "${corpus[@]}"
[ -z "${AUGESC:-}" ] || baseline AugESC "$out/plain-augesc" --data.path "$AUGESC" --data.limit "${LEARN:-4000}"
[ -z "${EXTES:-}" ] || baseline ExTES "$out/plain-extes" --data.path "$EXTES" --data.limit "${LEARN:-4000}"
for node in ${NODES-context cognition emotion plan}; do
  train ", no $node" "care_no_$node" "care_brief_no_$node"
done

python scripts/recipes/summarise.py "${rated[@]}" | tee "$out/policies.md"
compeer eval generation --outputs "${rated[0]#*=}" --name "${rated[0]%%=*}" --beside "$(named "${rated[@]:1}")" --flavour esconv \
  --published care --output "$out"
compeer eval study --ours "$out/care-rl/test" --name CARE --others "$(named "${baselines[@]}")" \
  --count "${DIALOGUES:-200}" --output "$out/study$(printf -- '-%s' "${baselines[@]%%=*}")"
