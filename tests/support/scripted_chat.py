"""A chat model of the data pipeline whose answers are a function, and the prompts of the personality stage."""

from compeer_jax.chat.types import Answer, Spent
from compeer_jax.dialogue.prompts import load_task_prompt


class Scripted:
    """A chat model that says what a function of (messages, draw) says; None is no answer."""

    def __init__(self, name: str, say):
        self.name, self.say, self.spent, self.asked = name, say, Spent(), []
        self.settings = {"scripted": name, "temperature": 0.7}

    def check(self) -> None:
        pass

    def answer(self, requests):
        self.asked += requests
        answers = [self.say(request.messages, request.draw) for request in requests]
        self.spent += Spent(len(answers), 10 * len(answers), 5 * len(answers), 0.25 * len(answers))
        return [None if text is None else Answer(text, 10, 5) for text in answers]

    def close(self) -> None:
        pass


SYSTEMS = {
    load_task_prompt(name, language).system: (name, language)
    for name in ("traits", "rewrite", "rewrite_persona", "rewrite_steps", "strategy")
    for language in ("en", "zh")
}
