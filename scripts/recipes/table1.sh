#!/usr/bin/env bash
# The paper's Table 1: trains PRM, ORM, UnifiReward and its variants -D, -R and -P, each for as many steps of as many records,
# rates them on held-out records and prints one table. Judges start from one SFT model. It goes on where it was cut.
#   bash scripts/recipes/table1.sh ESConv.json      silver records; without an argument those of the bundled dialogues
#   bash scripts/recipes/table1.sh runs/cer         a CER dataset that `compeer data build` made
# Can be set: OUT=runs/table1, ROWS="prm orm unifi d r p", STEPS=600 (of each judge), LIMIT=3000 (records to learn from, 0: all;
# of CER all if it isn't set), RECORDS=256 (to rate on, 0: all), SEEDS="0" (each trains a judge of every row), PRM_CALLS=apart (or
# together); and for other models than the small one MODEL (to start from, instead of the SFT model),
# CONFIG=configs/tiny_reward.yaml and EVAL_CONFIG=configs/tiny_reward_eval.yaml.
data=${1:-sample}
. "$(dirname "$0")/../setup.sh" "[evaluation]"
out=${OUT:-runs/table1}
steps=${STEPS:-600}
seeds=${SEEDS:-0}
first=${seeds%% *}
rows=" ${ROWS:-prm orm unifi d r p} "
for row in $rows; do
  [[ " prm orm unifi d r p " == *" $row "* ]] || { echo "ROWS has '$row'; it can have prm, orm, unifi, d, r and p." >&2 && exit 2; }
done
config=${CONFIG:-configs/tiny_reward.yaml}
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$PWD/$out/compiled} # the runs share their programs

cer=$data # of a CER dataset, the folder with the views
[ -d "$data/cer" ] && cer=$data/cer
if ! [ -d "$cer/unifi" ]; then
  limit=${LIMIT:-3000}
  [[ $rows == *" r "* || $rows == *" p "* ]] && echo "No UnifiReward-R and -P: they learn from dialogues that a" \
    "model has rewritten, and $data has none; \`compeer data build\` makes a CER dataset with them." >&2
  rows=${rows/ r / } && rows=${rows/ p / }
else
  limit=${LIMIT:-0}
  for row in d r p; do
    added="$cer/unifi/train_$row.jsonl"
    if [[ $rows == *" $row "* ]] && ! { [ -f "$added" ] && [ "$(wc -l < "$added")" -gt "$(wc -l < "$cer/unifi/train.jsonl")" ]; }; then
      echo "No UnifiReward-${row^^}: $added adds nothing to train.jsonl, as nothing was rewritten; run the stage" \
        "personality of \`compeer data build\`, then \`compeer data cer\`." >&2
      rows=${rows/ $row / }
    fi
  done
fi

count=$(($(wc -w <<< "$rows") * $(wc -w <<< "$seeds")))
if [ "$config" = configs/tiny_reward.yaml ]; then # measured with the small model
  echo "$count judges of $steps steps: about $(((count * (steps * 2 / 10 + 60) + 120) / 60)) minutes on two idle CPU cores." >&2
fi

start=${MODEL:-$out/sft/model}
if [ -z "${MODEL:-}" ]; then
  [ -f "$out/start/config.json" ] || compeer init --output "$out/start" --data.path "$data" --seed "$first"
  compeer sft --config configs/tiny_sft.yaml --data.path "$data" --seed "$first" --output "$out/sft" \
    --model.path "$out/start"
fi

judges=()
for seed in $seeds; do
  for row in $rows; do
    kind=unifi changed=()
    case $row in
      prm) name=PRM kind=prm ;;
      orm) name=ORM kind=orm ;;
      unifi) name=UnifiReward ;;
      d | r | p) name=UnifiReward-${row^^} changed=(--data.variant "$row") ;;
    esac
    [ "$row" = d ] && ! [ -d "$cer/unifi" ] && changed=(--silver.copies 2)
    folder=$out/$row-$seed
    compeer reward train --config "$config" --kind "$kind" --prm_calls "${PRM_CALLS:-apart}" --data.path "$data" \
      --data.limit "$limit" --silver.per_record 1 ${changed[@]+"${changed[@]}"} --seed "$seed" --steps "$steps" \
      --output "$folder" --model.path "$start"
    [ "$seed" = "$first" ] || name="$name, seed $seed"
    judges+=("\"$name\": {\"kind\": \"$kind\", \"directory\": \"$folder/model\"}")
  done
done

against=()
[[ $rows == *" unifi "* ]] && against=(--against UnifiReward)
list=$(IFS=,; echo "{${judges[*]}}")
compeer reward eval --config "${EVAL_CONFIG:-configs/tiny_reward_eval.yaml}" --data.path "$data" --silver.per_record 1 \
  --limit "${RECORDS:-256}" --judges "$list" ${against[@]+"${against[@]}"} --published paper --output "$out/rated"
