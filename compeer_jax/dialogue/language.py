"""Identification of the language of a talk, by its letters, and where those are Latin by its words."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

OTHER_SCRIPT = 0.2  # share of the letters; a Chinese character is a word, and a Latin word has five letters
KANA = 0.1  # share of the East Asian letters from which on they are Japanese
ENOUGH_WORDS = 12  # to miss English ones by
LEAST_ENGLISH = 0.08  # share of the words; ESConv's dialogues have 0.38 and more

# Frequent words of each. What two have in common counts for both; English goes before where they draw.
WORDS = {
    "English": """the and to of that is you it for on with was are my have but this not so what can your
        just they at i'm don't it's about when would know like how think will feel really get
        want been there were had which she has i me am in be we he do if or as from her him his
        our because all very a no""",
    "German": """und ich nicht das ist die der mir mich auch aber wie wir sie mit habe dass es ein eine auf zu sich
        den für von so was bin sind war haben kann dir dich sehr im oder""",
    "Dutch": """de het een ik je niet dat is en van voor met zijn maar mijn heb ook wat naar ben dan hij ze er op
        aan om deze hun worden heeft geen""",
    "French": """le la les et je ne pas que de est un une des il elle vous nous mais pour dans avec sur mon ma suis
        c'est j'ai qui ce en tout plus leur être sont au du""",
    "Spanish": """el la los las y que no de en un una es por con para mi me se lo pero muy estoy tengo
        como más su del qué está todos nacen tu te""",
    "Portuguese": """o a os as e que não de em um uma é por com para meu minha me se mas muito estou eu você
        como mais do da isso está todos dos são uns""",
    "Italian": """il la gli e che non di in un una è per con mi si ma sono ho come più del questo molto io lo mio
        della nascono ed essi sei tu perché""",
    "Romanian": """și în nu că este un o de la cu pe mă sunt pentru mai dar din ce se să am mi au unele ele foarte""",
    "Swedish": """och jag det är att en inte som på för av med har den till du mig så men om ett vi han
        hon de var kan mycket mot""",
    "Danish or Norwegian": """og jeg det er at en ikke som på for av af med har den til du mig meg så men om et vi han
        hun de var kan mye meget mot hverandre""",
    "Finnish": """ja on ei että se en olen minä sinä hän mutta niin kun kuin myös ole mitä minun ovat heidän kaikki""",
    "Polish": """i nie się w na że z do to jest jak ale co mi mnie ja o tak jestem za są po ze swej swych bardzo""",
    "Czech": """a se na je to že v ne s jsem si ale jak jsou do co mi mě tak z i ve byl svou všichni""",
    "Hungarian": """a az és nem hogy is egy van de meg én ez csak nagyon mint vagy minden kell vagyok mert""",
    "Turkish": """bir ve bu da de çok ben için ne ama mi gibi daha sen var yok benim değil olan her ile hakları""",
    "Indonesian or Malay": """yang dan saya tidak di ini itu dengan untuk aku kamu dari akan ada juga bisa pada sudah
        anda ke sangat pasti mereka karena semua satu dalam lain""",
    "Tagalog": """ang ng mga sa na ako ko ay hindi ka mo siya lang po at kung naman ito para isang""",
    "Swahili": """na ya wa kwa ni za katika la kuwa mimi sana yangu hii watu wote hana si lakini""",
    "Vietnamese": """tôi và là có không của cho một những được bạn với người này trong rất đã đến quyền ra""",
}
_HAN = re.compile("[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_NAMED = {"HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}


def language_of(texts: Iterable[str]) -> str:
    """ "en" or "zh", or what a third one is called: "Telugu", "German". Linear time. Too little to tell is "en"."""
    text = "\n".join(texts)
    if text.isascii():
        return _by_words(text)
    scripts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            scripts[_script(character)] += count
    letters = scripts.total()
    han = scripts.pop("CJK", 0)
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana > KANA * (han + kana):
        han, scripts["HIRAGANA"] = 0, han + kana
    latin = scripts.pop("LATIN", 0)
    script, others = max(scripts.items(), key=lambda item: item[1], default=("", 0))
    if others > han and others > OTHER_SCRIPT * letters:
        return _NAMED.get(script, script.title())
    if han > OTHER_SCRIPT * letters:
        return "zh"
    return _by_words(text) if latin else "en"


def has_chinese(text: str) -> bool:
    """Whether a Chinese character stands in `text`."""
    return _HAN.search(text) is not None


def _by_words(text: str) -> str:
    words = Counter(_WORD.findall(text.replace("’", "'").lower()))
    hits, kinds = Counter(English=0), Counter()
    for word, count in words.items():
        for name in _languages().get(word, ()):
            hits[name] += count
            kinds[name] += 1
    best = max(hits, key=lambda name: (hits[name], name == "English"))
    if best != "English" and kinds[best] > 1:  # one word alone may be a slip
        return best
    few = hits["English"] < LEAST_ENGLISH * words.total() and words.total() >= ENOUGH_WORDS
    return "a language in Latin letters that is not English" if few else "en"


@cache
def _languages() -> dict[str, list[str]]:
    """The languages that a word is frequent in."""
    found: dict[str, list[str]] = {}
    for name, words in WORDS.items():
        for word in set(words.split()):
            found.setdefault(word, []).append(name)
    return found


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    return name.partition(" ")[0].partition("-")[0]
