"""A chat server that answers by script, to try the data pipeline without a language model. Nothing in it thinks.

    python scripts/scripted_chat_server.py --port 8765 --log asked.jsonl

It speaks as much of OpenAI's protocol as `compeer data` needs. Every answer has the form that was asked for, is put
together from the bundled dialogues and templates, and says nothing true about the talk; data made with it shows how
the pipeline works, and must not be trained on for anything else. Its verdicts are drawn by the question's hash: about
one step in four is found wrong, and models of other names differ now and then, as people do. Some answers are
malformed on purpose at the first try, and some at each.

It knows our prompts, and those of SAGE's official flavour; prompt files of yours are named by `--prompts`.
"""

import argparse
import hashlib
import json
import random
import re
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from compeer_jax.data.corpora.reading import sample_dialogues
from compeer_jax.data.silver.text import StepWriter
from compeer_jax.dialogue.consistency import FOLLOWS, GO_TOGETHER, load_consistency_prompt
from compeer_jax.dialogue.judging import PREFERENCES
from compeer_jax.dialogue.prompt_files import FORMS, parse_prompt, released_prompts
from compeer_jax.dialogue.prompts import (
    JUDGE_PROMPTS,
    PROMPTS,
    ROLE_PROMPTS,
    TASK_PROMPTS,
    TaskPrompt,
    load_judge_prompt,
    load_prompt,
    load_task_prompt,
)
from compeer_jax.dialogue.reasoning import CARE, COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import EMOTIONS, INTENSITIES, LANGUAGES, STAGES, STRATEGIES
from compeer_jax.errors import UserError

MALFORMED = {0: 0.1}  # try -> share of its answers that are malformed
HOPELESS = 0.02  # share of questions that are never answered in the form asked for
FALSE_SHARE = 0.23
THOUGHTS = "<think>\nMaybe <response>Cheer up.</response>? No, I can do better.\n</think>\n\n"  # never a reply
DIFFERS = 0.1  # how often a model's verdict is not the one that the question's hash gives

_ROLES = {"user": "seeker", "assistant": "supporter"}
_OPENINGS = {
    "en": ("Well, ", "You know, ", "Honestly, ", "I mean, ", "So, "),
    "zh": ("嗯，", "其实，", "说真的，", "我是说，", "那么，"),
}
_MANNERS = {
    "en": (
        ("Speaks in short sentences and holds back.", "low", "low", "high", "medium"),
        ("Talks freely and warmly, in long sentences.", "low", "high", "high", "low"),
        ("Is direct and wants to decide quickly.", "high", "medium", "low", "medium"),
        ("Chooses words with care and asks for reasons.", "medium", "low", "medium", "high"),
    ),
    "zh": (
        ("句子很短，有所保留。", "low", "low", "high", "medium"),
        ("说话坦率热情，句子较长。", "low", "high", "high", "low"),
        ("直截了当，想尽快做决定。", "high", "medium", "low", "medium"),
        ("用词谨慎，喜欢问清缘由。", "medium", "low", "medium", "high"),
    ),
}


class Script:
    """What is answered.

    Args:
        files: prompt files that are known beside our own.
    """

    def __init__(self, files: Sequence[Path] = ()):
        self.tasks = {
            (load(name, language).text if load is load_prompt else load(name, language).system): (name, language)
            for load, names in (
                (load_prompt, PROMPTS),
                (load_judge_prompt, JUDGE_PROMPTS),
                (load_task_prompt, TASK_PROMPTS + ROLE_PROMPTS),
            )
            for name in names
            for language in LANGUAGES
        }
        self.tasks |= {
            load_consistency_prompt(language, name).text: ("checked", language)
            for name in (FOLLOWS, GO_TOGETHER)
            for language in LANGUAGES
        }
        # Prompts that show something within their first text are known by how they begin.
        self.openings = {text.partition("$")[0]: task for text, task in self.tasks.items() if "$" in text}
        self.openings |= {prompt.user.partition("$")[0]: ("sage_planner", "zh") for prompt in released("sage_planner")}
        self.openings |= {prompt.user.partition("$")[0]: ("sage_agent", "zh") for prompt in released("sage_agent")}
        self.tasks |= {prompt.system: ("esc_plain", "zh") for prompt in released("sage_tested")}
        for path in files:
            self.openings |= openings_of(path)
        self.said: dict[str, list[str]] = {}
        self.replies: dict[tuple[str, str], list[str]] = {}
        for dialogue in sample_dialogues():
            for turn in dialogue.turns:
                if turn.role == "seeker":
                    self.said.setdefault(dialogue.language, []).append(turn.content)
                elif turn.strategy is not None:
                    self.replies.setdefault((dialogue.language, turn.strategy), []).append(turn.content)

    def answer(self, body: dict) -> str:
        """The answer to a request; the same one whenever the same is asked."""
        if [message["content"] for message in body["messages"]] == ["Hello."]:
            return "Hello."
        thinks = body.get("chat_template_kwargs", {}).get("enable_thinking", False)
        return (THOUGHTS if thinks else "") + self.spoken(body)

    def spoken(self, body: dict) -> str:
        """The answer without thoughts."""
        first, *talk = body["messages"]
        task = self.task(first["content"])
        if first["role"] != "system" and task is None:  # a model under its own default prompt, which just talks
            talk = body["messages"]
            task = "esc_plain", "zh" if re.search("[\u4e00-\u9fff]", talk[-1]["content"]) else "en"
        if task is None or (first["role"] == "system" and not talk):
            return "I only know the prompts of compeer_jax."
        name, language = task
        asked = json.dumps(body["messages"], sort_keys=True)
        own = _random(asked, body["model"])
        if _random(asked, "hopeless").random() < HOPELESS or own.random() < MALFORMED.get(body.get("seed", 0), 0):
            return "I would rather not say."
        said = (talk or [first])[-1]["content"]
        if name in PROMPTS:
            return self.reasoned(CARE if name == "care" else COMPEER, language, talk, own)
        if name in JUDGE_PROMPTS:
            return verdict(said, _random(asked, "verdict"), own)
        return getattr(self, name)(said, language, own)

    def task(self, first: str) -> tuple[str, str] | None:
        """Name and language of the prompt that a first text is, begins with, or ends with; None for others."""
        begun = (task for start, task in self.openings.items() if first.startswith(start))
        ended = (task for text, task in self.tasks.items() if text and first.endswith(f"\n\n{text}"))
        return self.tasks.get(first) or next(begun, None) or next(ended, None)

    def reasoned(self, format, language: str, talk: list[dict], own: random.Random) -> str:
        """A turn of the right form, with labels drawn by lot."""
        history = tuple(Turn(_ROLES[message["role"]], message["content"]) for message in talk)
        emotion = own.choice([label for label in EMOTIONS.labels if label.sentiment == "negative"])
        labels = {
            "stage": own.choice(STAGES.names()),
            "sentiment": emotion.sentiment,
            "emotion": emotion.name,
            "intensity": own.choice(INTENSITIES.names()),
            "strategy": own.choice(sorted({strategy for spoken, strategy in self.replies if spoken == language})),
        }
        writer = StepWriter(language, history, None)
        steps = {step.tag: writer.write(step.tag, labels, own.choice) for step in format.steps}
        reply = own.choice(self.replies[language, labels["strategy"]])
        return format.render(ReasonedTurn(steps, labels, reply), language)

    def coherence(self, said: str, language: str, own: random.Random) -> str:
        """Nearly every talk is found good."""
        reason = "It holds together." if language == "en" else "前后连贯。"
        return f"{reason}\nVerdict: {'good' if own.random() > 0.05 else 'incoherent'}"

    def checked(self, said: str, language: str, own: random.Random) -> str:
        """Whether a reply follows from its reasoning, or verdicts go together, by lot."""
        return f"Drawn by lot.\nVerdict: {own.random() < 0.6}"

    def care_chain(self, said: str, language: str, own: random.Random) -> str:
        """Four nodes by template, with the strategy that is shown."""
        strategy = STRATEGIES.canonical(re.search(r"(?:strategy: |策略：)(.+)", said)[1])
        emotion = own.choice([label.name for label in EMOTIONS.labels if label.sentiment == "negative"])
        labels = {"stage": own.choice(STAGES.names()), "emotion": emotion, "strategy": strategy}
        labels["intensity"] = own.choice(INTENSITIES.names())
        writer = StepWriter(language, (Turn("seeker", "-"),), None, quotes=False)
        steps = {step.tag: writer.write(step.tag, labels, own.choice) for step in CARE.steps}
        return CARE.render(ReasonedTurn(steps, labels, "-"), language).partition("<response>")[0]

    def care_coherence(self, said: str, language: str, own: random.Random) -> str:
        """Nearly every node passes."""
        names = ("Context", "Cognition", "Emotion", "Plan", "Whole")
        return "\n".join(f"{name}: {'pass' if own.random() > 0.03 else 'fail'}" for name in names)

    def esc_plain(self, said: str, language: str, own: random.Random) -> str:
        """Any reply of the bundled dialogues."""
        return own.choice(own.choice([found for (spoken, _), found in self.replies.items() if spoken == language]))

    def esc_role(self, said: str, language: str, own: random.Random) -> str:
        """Any seeker's turn of the bundled dialogues."""
        return own.choice(self.said[language])

    def esc_score(self, said: str, language: str, own: random.Random) -> str:
        """A score by lot."""
        return f"This score was drawn by lot.\nScore: {own.choices(range(5), (1, 3, 6, 6, 2))[0]}"

    def esc_number(self, said: str, language: str, own: random.Random) -> str:
        """A score by lot, and nothing else."""
        return str(own.choices(range(5), (1, 3, 6, 6, 2))[0])

    def sage_planner(self, said: str, language: str, own: random.Random) -> str:
        """A change by lot, rather up than down."""
        titles = ("Content", "TargetCompletion", "Activity", "Analyse")
        return "\n".join([*(f"{title}: by lot" for title in titles), f"Change: {own.randint(-8, 10):+d}"])

    def sage_agent(self, said: str, language: str, own: random.Random) -> str:
        """Any seeker's turn of the bundled dialogues; now and then a goodbye."""
        goodbye = {"en": "Thank you, goodbye.", "zh": "谢谢，再见。"}[language]
        words = goodbye if own.random() < 0.03 else own.choice(self.said[language])
        return f"Thinking: by lot\nOrigin: by lot\nChange: by lot\nResponse: {words}"

    def traits(self, said: str, language: str, own: random.Random) -> str:
        """A manner of speaking for each of the two, by lot."""
        names = ("description", "dominance", "influence", "steadiness", "conscientiousness")
        drawn = {side: dict(zip(names, own.choice(_MANNERS[language]), strict=True)) for side in _ROLES.values()}
        return json.dumps(drawn, ensure_ascii=False)

    def rewrite(self, said: str, language: str, own: random.Random) -> str:
        """Each line with a few words in front, or one time in ten something else in its place."""
        lines = said.partition("<conversation>")[2].partition("</conversation>")[0].strip().splitlines()
        drifts = own.random() < 0.1
        return "\n".join(_reworded(line, language, own, drifts) for line in lines)

    rewrite_persona = rewrite

    def rewrite_steps(self, said: str, language: str, own: random.Random) -> str:
        """The notes as they are: what they quote still stands behind the words in front."""
        return said.partition("<second>")[2].partition("</second>")[0].strip()

    def strategy(self, said: str, language: str, own: random.Random) -> str:
        """A question for what has a question mark, and else by the number of words."""
        shown = [said.partition(f"<{name}>")[2].partition(f"</{name}>")[0] for name in ("first", "second")]
        kinds = ["Question" if re.search("[?？]", text) else "Affirmation and Reassurance" for text in shown]
        names = [STRATEGIES.display(kind, language) for kind in kinds]
        titles = ("First: ", "Second: ") if language == "en" else ("第一个：", "第二个：")
        return "\n".join(title + name for title, name in zip(titles, names, strict=True))


def released(task: str) -> list[TaskPrompt]:
    """SAGE's prompts as its authors released them."""
    return list(released_prompts(task).values())


def openings_of(path: Path) -> dict[str, tuple[str, str]]:
    """How what a prompt file asks begins -> its task and language. Scores are then one digit."""
    text = path.read_text(encoding="utf-8")
    task = next((name for name in FORMS if text.startswith(f"<!-- {name},")), "")
    prompts = parse_prompt(text, task or "esc_role", str(path))
    whole = [one for prompt in prompts for one in prompt.more.items() if not prompt.user]
    begin = [text for _, text in whole] or [prompts[0].system or prompts[0].user]
    answered = {"esc_score": "esc_number", "sage_tested": "esc_plain"}.get(task, task)
    return {text.partition("$")[0]: (answered, prompts[0].language) for text in begin if text.partition("$")[0]}


def verdict(said: str, asked: random.Random, own: random.Random) -> str:
    """True or False of a step, or which reply is better; most models say the same."""
    compares = "<second>" in said
    options = PREFERENCES if compares else (True, False)
    weights = (0.4, 0.3, 0.2, 0.1) if compares else (1 - FALSE_SHARE, FALSE_SHARE)
    common = asked.choices(options, weights)[0]
    said_by_this = own.choice(options) if own.random() < DIFFERS else common
    return f"This verdict was drawn by lot.\nVerdict: {said_by_this}"


def _reworded(line: str, language: str, own: random.Random, drifts: bool) -> str:
    number_and_speaker, colon, text = re.match(r"(\d+\. [^:：]*)([:：] ?)(.*)", line).groups()
    if drifts:
        text = "The weather is fine today." if language == "en" else "今天天气很好。"
    return f"{number_and_speaker}{colon}{own.choice(_OPENINGS[language])}{text}"


def _random(*words: str) -> random.Random:
    return random.Random(hashlib.sha256("\0".join(words).encode()).digest())


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": name} for name in self.server.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.server.delay)
        text = self.server.script.answer(body)
        if self.server.log is not None and text != "Hello.":
            with self.server.lock, self.server.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({"sha256": hashlib.sha256(json.dumps(body).encode()).hexdigest()}) + "\n")
        tokens = [sum(len(message["content"].split()) for message in body["messages"]), len(text.split())]
        self._send(
            {
                "id": "chatcmpl-scripted",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
            }
        )

    def _send(self, value: dict) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        """Quiet: `--log` says what was asked."""


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8765, help="0 takes any that is free")
    parser.add_argument("--models", nargs="+", default=["scripted-a", "scripted-b", "scripted-c"])
    parser.add_argument("--prompts", nargs="+", type=Path, default=[], help="prompt files that are asked with too")
    parser.add_argument("--log", type=Path, help="file that gets a line with the hash of each request")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    arguments = parser.parse_args()
    try:
        script = Script(arguments.prompts)
    except (OSError, ValueError, UserError) as error:
        parser.error(str(error))
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.daemon_threads = True
    server.script, server.models, server.log, server.delay = script, arguments.models, arguments.log, arguments.delay
    server.lock = threading.Lock()
    print(f"scripted answers at http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
