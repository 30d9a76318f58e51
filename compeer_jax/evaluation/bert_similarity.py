"""BERTScore: how alike answers and references are to a text model, token by token (Zhang et al., 2020)."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from compeer_jax.data.jsonl import parse_json
from compeer_jax.errors import UserError
from compeer_jax.evaluation.estimates import library


class BertScore(NamedTuple):
    """F1 of BERTScore for each of N texts, and how it was made.

    Attributes:
        f1: [N]; 0 for an empty text.
        note: what a table says of it.
    """

    f1: Float[np.ndarray, " N"]
    note: str


def bert_score(
    texts: Sequence[str],
    references: Sequence[str],
    directory: str,
    *,
    layers: int = 0,
    baseline: str = "",
    batch_size: int = 64,
) -> BertScore:
    """BERTScore of N texts, by the bert-score package, without weights by rarity. Nothing is downloaded.

    Args:
        directory: of an encoder in Hugging Face's layout. English figures elsewhere are mostly roberta-large's.
        layers: how many of its layers are used. 0: what bert-score found best for a model of the directory's name, and
            all of them where it knows no such model.
        baseline: a file of bert-score's `rescale_baseline`, to rescale F1 so that texts that have nothing to do with
            each other score about 0; without it, most scores lie above 80 %.
        batch_size: texts at once.

    Raises:
        UserError: a package is missing, the directory or the baseline can't be used.
    """
    scoring, transformers = library("bert_score.utils", "bertscore"), library("transformers")
    torch = library("torch", "bertscore")
    from safetensors import SafetensorError

    path = Path(directory).expanduser()
    if not (path / "config.json").is_file():
        raise UserError(f"bertscore: {directory} is no directory of a model (it has no config.json); check the path.")
    _check_files(path)
    only = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(path, **only)
        deepest = config.num_hidden_layers
        layers = layers or min(scoring.model2layers.get(path.resolve().name, deepest), deepest)
        if layers > deepest:
            raise UserError(f"bertscore_layers is {layers}; the model in {directory} has {deepest}.")
        config.num_hidden_layers = layers
        model, found = transformers.AutoModel.from_pretrained(
            path, config=config, dtype=torch.float32, output_loading_info=True, use_safetensors=True, **only
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **only)
    except (OSError, ValueError, AttributeError, KeyError, SafetensorError) as error:
        raise UserError(f"bertscore: the model in {directory} can't be loaded ({_line(error)}).") from error
    missing = sorted(name for name in found["missing_keys"] if "pooler" not in name)
    if missing or tokenizer.pad_token_id is None:
        lacks = f"the weight {missing[0]}" if missing else "a padding token"
        raise UserError(f"bertscore: the model in {directory} lacks {lacks}; take a whole encoder.")
    # A directory that does not say how long a text may be has a number here that overflows.
    tokenizer.model_max_length = min(tokenizer.model_max_length, _longest(config))
    floor = _baseline(baseline, layers) if baseline else 0.0
    said = [row for row, text in enumerate(texts) if text.strip()]
    f1 = np.zeros(len(texts))
    if said:
        weights = defaultdict(lambda: 1.0, {tokenizer.sep_token_id: 0.0, tokenizer.cls_token_id: 0.0})
        device = "cuda" if torch.cuda.is_available() else "cpu"
        pairs = [references[row] for row in said], [texts[row] for row in said]
        scores = scoring.bert_cos_score_idf(
            model.eval().to(device), *pairs, tokenizer, weights, batch_size=batch_size, device=device
        )
        f1[said] = (scores[:, 2].double().numpy() - floor) / (1 - floor)
    rescaled = f", rescaled by {Path(baseline).name}" if baseline else ", not rescaled"
    return BertScore(f1, f"F1 of {path.resolve().name}, layer {layers}{rescaled}")


def _check_files(path: Path) -> None:
    """Raises UserError where loading a directory would run what stands in its files: code of its own, or pickles."""
    for file in sorted(path.glob("*.json")):
        if file.name.endswith("config.json") and _names_code(parse_json(file.read_bytes(), str(file))):
            raise UserError(
                f"bertscore: {file} names code of its own (auto_map), which is not run; take an encoder of a kind that "
                "transformers knows, without that key."
            )
    if not any(path.glob("*.safetensors")):
        raise UserError(
            f"bertscore: the model in {path} has no weights in safetensors, and others can hold code; convert it, or "
            "take a copy that has them."
        )


def _names_code(config: object) -> bool:
    """Whether an `auto_map` names something; transformers 5 writes one that names nothing beside plain tokenizers."""
    if not isinstance(config, dict):
        return False
    named = config.get("auto_map") or {}
    kinds = named.values() if isinstance(named, dict) else [named]
    here = any(any(kind) if isinstance(kind, list) else kind for kind in kinds)
    return here or any(map(_names_code, config.values()))


def _longest(config) -> int:
    """How many tokens the model takes, or a few fewer: some begin to count behind the padding token, as RoBERTa."""
    positions = getattr(config, "max_position_embeddings", None) or 512
    return positions - (getattr(config, "pad_token_id", None) or 0) - 1


def _baseline(path: str, layers: int) -> float:
    """F1 that unrelated texts have, of the row of a layer; the columns are LAYER,P,R,F."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").split()
        rows = {int(number): float(f1) for number, _, _, f1 in (line.split(",") for line in lines[1:])}
        return rows[layers]
    except OSError as error:
        raise UserError(f"bertscore_baseline {path} can't be read ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise UserError(
            f"bertscore_baseline {path} has not the columns LAYER,P,R,F; take one of bert-score's."
        ) from error
    except KeyError as error:
        raise UserError(f"bertscore_baseline {path} has no row for layer {layers}; set bertscore_layers.") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
