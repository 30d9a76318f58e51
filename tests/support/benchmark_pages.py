"""Made-up runs of both benchmarks, for the page that shows them. The dialogues are our own writing."""

import json
from pathlib import Path

from compeer_jax.benchmarks.dialogues import BenchDialogue
from compeer_jax.benchmarks.page import Shown
from compeer_jax.structure import structured

DIMENSIONS = ("fluency", "diversity", "empathy", "suggestion", "tech", "human", "overall")
EVIL = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> <!-- & \u2028 “end”"
)
STEPS = {
    "history": "She had told two friends and neither wrote back; the move was in March.",
    "emotion": "Hurt under the irritation, and some shame at needing anyone at all.",
    "strategy": "Stay with the waiting before anything is suggested; one open question.",
}
TALK = {
    "en": (
        [
            "I moved here in spring and I still eat lunch alone in my car.",
            "It's silly, I'm thirty-four.",
            "I wrote to two old friends. Nothing.",
            "Maybe I am the one who stopped asking.",
            "That would be nice, I think.",
        ],
        [
            "Eating in the car every day sounds lonely, and tiring to hide. What is lunch like inside?",
            "It isn't silly to want company at thirty-four. Who would you have told, before the move?",
            "Two letters and no answer: that stings. What did you hope they would write?",
            "You may have stopped asking because asking had begun to hurt. Does that fit?",
            "Then one small thing this week: who at work would be easiest to sit beside?",
        ],
    ),
    "zh": (
        [
            "我考研又没考上，不敢告诉爸妈。",
            "他们为我花了那么多钱。",
            "我每天都装作去图书馆。",
            "有时候觉得自己一点用都没有。",
            "也许可以先跟姐姐说。",
        ],
        [
            "又一次落榜，还要一个人瞒着，这份重担压得很久了吧。",
            "你觉得欠了他们，所以更不敢开口。最怕他们说什么呢？",
            "每天装作去图书馆，一定很累。那几个小时你都在哪里？",
            "没考上，和没有用，是两回事。是什么时候开始这样想的？",
            "先跟姐姐说，是个很踏实的开始。想好第一句话了吗？",
        ],
    ),
}


def esc_row(number: int, model: str, shift: int = 0) -> dict:
    """A dialogue of ESC-Eval: five rounds, two scorers."""
    language = "zh" if number % 3 == 2 else "en"
    seeker, supporter = TALK[language]
    turns = []
    for index, (asked, answered) in enumerate(zip(seeker, supporter, strict=True)):
        turns.append({"role": "seeker", "content": asked})
        text = "".join(f"<{tag}>\n{words}\n</{tag}>\n" for tag, words in STEPS.items())
        turn = {"role": "supporter", "content": answered, "text": f"{text}<response>\n{answered}\n</response>"}
        turn |= {"steps": STEPS, "labels": {"stage": "exploration", "strategy": "Question"}}
        if number % 5 == 4 and index == 2:
            turn |= {"text": f"<history>\n{STEPS['history']}\n{answered}", "truncated": True}
            turn |= {"problems": ["unclosed:history", "missing:response"], "steps": {}, "labels": {}}
        turns.append(turn)
    scores = {
        name: {key: min(4, (number * 7 + column * 3 + shift + place) % 5) for column, key in enumerate(DIMENSIONS)}
        for place, name in enumerate(("esc-rank", "gpt-4o"))
    }
    row = {"benchmark": "esc-eval", "id": f"{language}-{number:03}", "language": language, "model": model}
    row |= {"card": {"base": f"Age: {20 + number}\nGender: female\nProblem: alone in a new town", "source": "made up"}}
    row |= {"turns": turns, "ending": "rounds", "scores": scores}
    if number % 7 == 3:
        scores["gpt-4o"]["tech"] = None
        row["missing"] = {"gpt-4o": {"tech": "no line “Score: N” with N from 0 to 4, twice"}}
    return row | {"provenance": {"models": {"tested": model}, "prompts": {"esc_role": 1}, "seed": 0}}


def sage_row(number: int, model: str, shift: int = 0) -> dict:
    """A dialogue of SAGE: emotion goes up or down until it ends."""
    emotion, turns, ending = 40, [], "rounds"
    seeker, supporter = TALK["zh"]
    turns.append({"role": "seeker", "content": seeker[0], "emotion": 40, "thinking": "先说说看。"})
    step = (10, -9, 4, 7, -2)[(number + shift) % 5]
    for index in range(1, 9):
        turns.append({"role": "supporter", "content": supporter[index % 5], "text": supporter[index % 5]})
        change = max(-10, min(10, step + (index * number) % 4 - 1))
        emotion = max(0, min(100, emotion + change))
        ending = "success" if emotion >= 100 else "failure" if emotion < 10 else "rounds"
        turns.append(
            {"role": "seeker", "content": seeker[index % 5], "emotion": emotion, "change": change}
            | {"analysis": "Content: 他在听。\n\nAnalyse: 没有急着给建议。", "thinking": "他好像懂我。"}
        )
        if ending != "rounds":
            break
    missing = {}
    if number % 6 == 5:
        ending, missing = "no reply", {"missing": {"planner": {"emotion": "section Change is not there"}}}
    row = {
        "benchmark": "sage",
        "id": f"profile-{number:02}",
        "language": "zh",
        "model": model,
        "card": {"player": "* 姓名：周宁\n* 年龄：27岁", "scene": "考研又一次没有考上", "task": "被认真地听一次"},
    }
    return row | missing | {"turns": turns, "ending": ending, "emotion": emotion, "provenance": {"seed": 0}}


def write_run(folder: Path, rows: list[dict]) -> Path:
    """Writes rows as a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "dialogues.jsonl").write_text(lines, encoding="utf-8")
    return folder


def evil_row(number: int = 0) -> dict:
    """A dialogue of which every text tries to be markup."""
    row = sage_row(number, EVIL)
    for turn in row["turns"]:
        turn |= {"content": f"{EVIL} {turn['content']}"}
        turn |= {"text": EVIL, "steps": {EVIL: EVIL}, "labels": {EVIL: EVIL}} if turn["role"] == "supporter" else {}
        turn |= {"analysis": EVIL, "thinking": EVIL} if turn["role"] == "seeker" else {}
    return row | {"id": EVIL, "card": {EVIL: EVIL}, "provenance": {EVIL: EVIL}}


def shown(rows: list[dict], name: str = "run") -> Shown:
    """Rows as a run on the page."""
    return Shown(name, [structured(BenchDialogue, row, "row", unknown_fields="ignore") for row in rows])


def esc_runs(count: int = 12) -> list[Shown]:
    """Two runs of ESC-Eval; each has a card that the other lacks."""
    both = [shown([esc_row(n, "compeer") for n in range(count)], "compeer")]
    return [*both, shown([esc_row(n, "base", 2) for n in range(1, count + 1)], "base")]


def sage_runs(count: int = 12) -> list[Shown]:
    """Two runs of SAGE on the same profiles."""
    return [shown([sage_row(n, name, shift) for n in range(count)], name) for shift, name in enumerate(("one", "two"))]
