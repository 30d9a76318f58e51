#!/usr/bin/env bash
# Trains the variants SFT, POR, UR, URP and sign-aware URP with a small model, each with several seeds, and prints one
# table. Judges are trained once, from the first seed's SFT model; policies with every seed. It goes on where it was cut.
#   bash scripts/recipes/variants.sh ESConv.json
# SEEDS="0 1 2", VARIANTS="por ur urp urp_aware", OUT=runs/variants, STEPS=30 (of GRPO) and RECORDS=32 (held-out prompts of a
# rating; 12 of smollm2) can be set; a machine with room trains some variants in one shell and some in another, once the
# judges are there.
# CONFIGS=smollm2 takes configs/smollm2_*.yaml and that model; JUDGE_STEPS (600) is as in the file there unless set.
data=${1:-sample}
configs=${CONFIGS:-tiny}
case $configs in
  tiny) extras="[evaluation]" records=${RECORDS:-32} judge=(--data.limit 3000 --silver.per_record 1 --steps "${JUDGE_STEPS:-600}") ;;
  smollm2) extras="[evaluation,gguf]" records=${RECORDS:-12} judge=(${JUDGE_STEPS:+--steps "$JUDGE_STEPS"}) ;;
  *) echo "CONFIGS is '$configs'; it can be tiny or smollm2." >&2 && exit 2 ;;
esac
. "$(dirname "$0")/../setup.sh" "$extras"
out=${OUT:-runs/variants}
seeds=${SEEDS:-0 1 2}
first=${seeds%% *}
on_data=(--data.path "$data")
mkdir -p "$out"
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$(cd "$out" && pwd)/compiled} # the runs share their programs

for seed in $seeds; do
  start=$configs
  if [ "$configs" = tiny ]; then
    start=$out/start-$seed
    [ -f "$start/config.json" ] || compeer init --output "$start" "${on_data[@]}" --seed "$seed"
  fi
  compeer sft --config "configs/${configs}_sft.yaml" "${on_data[@]}" --seed "$seed" --output "$out/sft-$seed" \
    --model.path "$start"
done
for kind in unifi prm orm; do
  # All kinds learn from the same records, for as many steps of as many records.
  compeer reward train --config "configs/${configs}_reward.yaml" --kind "$kind" "${on_data[@]}" --seed "$first" \
    ${judge[@]+"${judge[@]}"} --output "$out/$kind" --model.path "$out/sft-$first/model"
done
judges=()
for kind in unifi prm orm; do judges+=("--reward.models.$kind" "$out/$kind/model"); done

rate() { # FOLDER SEED: all kinds are rated by the same judge, and by the rules
  [ -f "$1/report.json" ] && return
  compeer eval --config "configs/${configs}_eval.yaml" --config configs/ur.yaml "${judges[@]}" "${on_data[@]}" --seed "$2" \
    --model.path "$1/model" --records "$records" --output "$1"
}

table=()
for seed in $seeds; do
  rate "$out/sft-$seed" "$seed"
  table+=("SFT=$out/sft-$seed")
done
for variant in ${VARIANTS:-por ur urp urp_aware}; do
  for seed in $seeds; do
    compeer grpo --config "configs/${configs}_grpo.yaml" --config "configs/$variant.yaml" "${judges[@]}" "${on_data[@]}" \
      --seed "$seed" --steps "${STEPS:-30}" --output "$out/$variant-$seed" --model.path "$out/sft-$seed/model"
    rate "$out/$variant-$seed" "$seed"
    name=${variant^^}
    table+=("${name/_AWARE/, sign-aware}=$out/$variant-$seed")
  done
done
python scripts/recipes/summarise.py --curves "$out/curves.png" "${table[@]}" | tee "$out/table.md"
