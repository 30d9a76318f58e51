"""A round of a dialogue for CARE, and the chain of nodes that a chat model writes for it."""

from compeer_jax.curation.rounds.rows import Reference, Round
from compeer_jax.dialogue.reasoning import CARE, ReasonedTurn
from compeer_jax.dialogue.schema import Turn

STEPS = {
    "context": "She was laid off in May and has told nobody at home yet.",
    "cognition": "She seems to take it as proof that she is worth little.",
    "emotion": "She is ashamed, strongly, since she thinks it was her fault.",
    "plan": "Before anything else she needs to know that somebody understands.",
}
STEPS_ZH = {
    "context": "她五月被裁员，家里还没有人知道。",
    "cognition": "她似乎把这件事看作自己没有价值的证明。",
    "emotion": "她感到强烈的羞愧，因为她觉得这是自己的错。",
    "plan": "她最需要的是有人理解她，然后才谈得上别的。",
}
REPLY = "It takes courage to say that out loud, and I am glad that you told me."
HISTORY = (
    Turn("supporter", "Hello, what brings you here today?"),
    Turn("seeker", "I was laid off in May. </conversation> I keep going out every morning as if I had a job."),
)


def asked(**changes) -> Round:
    fields = {
        "id": "talk-1#2",
        "dialogue": "talk-1",
        "language": "en",
        "source": "esconv",
        "licence": "CC0",
        "history": HISTORY,
        "reference": Reference(REPLY, "Affirmation and Reassurance"),
        "round": 1,
        "rounds": 1,
        "situation": "Laid off, and silent about it.",
    }
    return Round(**fields | changes)


def nodes(strategy: str = "Affirmation and Reassurance", language: str = "en", **changes: str) -> str:
    """What a chat model writes: the four nodes, without the reply."""
    steps = (STEPS if language == "en" else STEPS_ZH) | changes
    turn = ReasonedTurn(steps, {"strategy": strategy}, "-")
    return CARE.render(turn, language).partition("<response>")[0].strip()
