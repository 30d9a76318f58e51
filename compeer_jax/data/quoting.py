"""A short quote from a message: what a reasoning step repeats of the seeker's own words."""

import re

LONGEST = {"en": 9, "zh": 16}  # words, or characters in Chinese
LEAST = {"en": 4, "zh": 5}  # what is shorter ("Thank you", "Not a plan") says little by itself

_SENTENCE = {"en": re.compile(r"[^.!?;\n]+\??"), "zh": re.compile(r"[^。！？；…!?;\n]+[？?]?")}
_COMMA = {"en": re.compile(r"[,:]| - | but | because "), "zh": re.compile(r"[，、：—,:\s]+")}
_CONJUNCTION = {
    "en": re.compile(r"^(and|but|so|or|because|then|well)\b[ ,]+", re.IGNORECASE),
    "zh": re.compile("^(然后|可是|但是|不过|而且|所以)"),
}
_MARKS = str.maketrans("", "", '"“”«»「」')


def quote_clause(message: str, language: str) -> str:
    """A sentence of `message`, or a clause of one that is too long, without quotation marks in it.

    Of those between `LEAST` and `LONGEST`, it is the longest; without one, the start of a longer clause, marked as
    cut; without that, whatever there is.
    """
    clauses = []
    for sentence in _SENTENCE[language].findall(message.translate(_MARKS)):
        parts = [sentence] if _size(sentence, language) <= LONGEST[language] else _COMMA[language].split(sentence)
        clauses += [_CONJUNCTION[language].sub("", part.strip(" \t,，:-—")) for part in parts]
    clauses = [clause for clause in clauses if clause.strip()] or [" ".join(message.split())[: LONGEST["zh"]]]
    best = max(clauses, key=lambda clause: _worth(_size(clause, language), language))
    if _size(best, language) <= LONGEST[language]:
        return best
    if language == "zh":
        return best[: LONGEST["zh"]] + "…"
    return " ".join(best.split()[: LONGEST["en"]]) + "..."


def _worth(size: int, language: str) -> tuple[int, int]:
    if size > LONGEST[language]:
        return 1, 0
    return (2 if size >= LEAST[language] else 0), size


def _size(clause: str, language: str) -> int:
    return len(clause.split()) if language == "en" else len(clause)
