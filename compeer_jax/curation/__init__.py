"""From corpora to CER, stage by stage."""

STAGES = {
    "corpora": "read the corpora into dialogues",
    "privacy": "mask contacts, numbers, addresses, and names as they are given",
    "filter": "leave out what is broken, machine-like or said before",
    "rounds": "sample the rounds to learn from (Eq. 1)",
    "candidates": "have chat models reason and answer in each round",
    "annotation": "gather what people and models say of the answers, and where they agree",
    "personality": "rewrite records to other personalities",
    "cer": "split, make the views to train on, and write the data card",
}
"""Each has a folder of its name in this package, and there a `STAGE` in `stage.py`."""
