"""What `compeer eval --output` leaves in a folder: outputs by the id of their prompt, and settings."""

import json
from pathlib import Path

from compeer_jax.data.jsonl import write_jsonl
from compeer_jax.data.policy_data import DataConfig, load_records
from compeer_jax.dialogue.reasoning import COMPEER

DATA = {"path": "sample", "silver_quotes": False, "prompt": "compeer_brief"}


def write_outputs(folder: Path) -> Path:
    """Eight prompts with two outputs each, one of which lacks a part."""
    rows = []
    for record in load_records(DataConfig(**DATA)).test[:8]:
        text = COMPEER.render(record.reference, record.language)
        rows += [{"id": record.id, "member": member, "text": text, "problems": []} for member in (0, 1)]
    rows[-1]["text"] = rows[-1]["text"].replace("</response>", "")
    write_jsonl(folder / "outputs.jsonl", rows)
    (folder / "report.json").write_text(json.dumps({"settings": {"data": DATA}, "report": {}}))
    return folder
