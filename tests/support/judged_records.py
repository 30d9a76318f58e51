"""Judge records whose right verdicts can be read off their words, and a judge that reads them."""

from pathlib import Path

from chat_server_fixture import last_message

from compeer_jax.data.jsonl import write_jsonl

STEPS = ("history", "emotion", "strategy")
QUALITY = {"first": ("GOOD", "BAD"), "second": ("BAD", "GOOD"), "similar": ("GOOD", "GOOD"), "neither": ("BAD", "BAD")}


def judged_records(count: int = 24) -> list[dict]:
    """Every preference as often as the others, and one step in three wrong."""
    rows = []
    for number in range(count):
        preference = list(QUALITY)[number % 4]
        labels = {tag: (number + place) % 3 != 0 for place, tag in enumerate(STEPS)}
        rows.append(
            {
                "id": f"talk#{number}",
                "language": "en",
                "source": "test",
                "licence": "none",
                "history": [{"role": "seeker", "content": f"This is worry number {number}."}],
                "steps": {tag: f"{'SOUND' if right else 'FALSE'} {tag} of {number}" for tag, right in labels.items()},
                "labels": labels,
                "responses": [f"{quality}-reply {place} {number}" for place, quality in enumerate(QUALITY[preference])],
                "preference": preference,
            }
        )
    return rows


def write_records(path: Path, rows: list[dict]) -> str:
    write_jsonl(path, rows)
    return str(path)


def knowing(body: dict) -> str:
    """What a judge who sees all of that says."""
    text = last_message(body)
    places = sorted((text.find(f"{quality}-reply {place}"), quality) for quality in ("GOOD", "BAD") for place in (0, 1))
    shown = tuple(quality for position, quality in places if position >= 0)
    if not shown:
        return f"Verdict: {'SOUND ' in text}"
    return f"Verdict: {next(name for name, qualities in QUALITY.items() if qualities == shown)}"
