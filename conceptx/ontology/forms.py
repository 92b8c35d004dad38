"""The forms under which a label and a class name meet: one spelling, one case, one number, no ornaments.

`folded` evens out case, Unicode and punctuation; `singular` the number of English words; `readings` lists everything
that an annotator's label may mean: comma synonyms (``sofa, couch``), WordNet senses (``bed.n.01``, ``WN_Bed``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SENSE = re.compile(r"^(?P<lemma>[^\s.,;]+(?:\.[^\s.,;]+)*)\.(?:n|v|a|s|r)\.\d{1,3}$")
_WN = re.compile(r"^WN_(?=.)")
_APART = re.compile(r"[\s_\-‐-―/]+")
_DROPPED = re.compile(r"['’`\".]")
_QUALIFIER = re.compile(r"\s*\([^()]*\)\s*$")
_IRREGULAR = {
    **{"men": "man", "women": "woman", "people": "person", "persons": "person", "children": "child", "mice": "mouse"},
    **{"feet": "foot", "teeth": "tooth", "geese": "goose", "oxen": "ox", "lice": "louse", "dice": "die"},
    **{"leaves": "leaf", "loaves": "loaf", "shelves": "shelf", "bookshelves": "bookshelf", "wolves": "wolf"},
    **{"knives": "knife", "wives": "wife", "lives": "life", "halves": "half", "calves": "calf", "thieves": "thief"},
    **{"scarves": "scarf", "hooves": "hoof", "elves": "elf", "selves": "self", "dwarves": "dwarf"},
    **{"potatoes": "potato", "tomatoes": "tomato", "heroes": "hero", "echoes": "echo", "mangoes": "mango"},
    **{"volcanoes": "volcano", "tornadoes": "tornado", "cacti": "cactus", "fungi": "fungus", "alumni": "alumnus"},
    **{"analyses": "analysis", "bases": "base", "crises": "crisis", "oases": "oasis", "axes": "axe"},
    **{"vertebrae": "vertebra", "larvae": "larva", "algae": "alga", "antennae": "antenna", "phenomena": "phenomenon"},
    **{"movies": "movie", "cookies": "cookie", "ties": "tie", "pies": "pie", "zombies": "zombie", "genies": "genie"},
    **{"headaches": "headache", "moustaches": "moustache", "avalanches": "avalanche", "niches": "niche"},
    **{"skis": "ski", "taxis": "taxi", "bikinis": "bikini", "kiwis": "kiwi", "safaris": "safari", "alibis": "alibi"},
    **{"tsunamis": "tsunami", "zucchinis": "zucchini", "pierogis": "pierogi", "emojis": "emoji", "yetis": "yeti"},
    **{"buses": "bus", "gases": "gas", "lenses": "lens", "viruses": "virus", "quizzes": "quiz", "caches": "cache"},
}
_ENDS_IN_US = "campus status octopus walrus chorus circus bonus census crocus platypus cactus"
_IRREGULAR |= {f"{word}es": word for word in _ENDS_IN_US.split()}
_ENDS_IN_S = (
    "bus gas lens atlas canvas chaos christmas cosmos series species news physics mathematics politics athletics "
    "gymnastics economics electronics scissors trousers jeans pants shorts binoculars headquarters means "
    "this his its was is as us yes plus bias iris tennis chess christ paris texas kansas arkansas always perhaps"
)
_SAME_IN_BOTH = frozenset(_ENDS_IN_S.split())


@lru_cache(maxsize=1 << 17)
def singular(word: str) -> str:
    """Return the singular of a lower-case English word by rule; both numbers of a word give the same form."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word in _SAME_IN_BOTH or word.endswith(("ss", "us", "is", "ous")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def folded(text: str) -> str:
    """Return the text in one case and Unicode form, words parted by single spaces, without apostrophes and dots."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    else:
        text = text.lower()
    return _APART.sub(" ", _DROPPED.sub("", text)).strip()


def singular_form(text: str) -> str:
    """Return a folded text with every word in the singular."""
    return " ".join(map(singular, text.split(" ")))


def without_qualifier(text: str) -> str:
    """Return a name without the bracket that tells it from its namesakes: ``Cranes_(machines)`` → ``Cranes``."""
    return _QUALIFIER.sub("", text.replace("_", " ")) if text.endswith(")") else text


def sense_lemma(label: str) -> str | None:
    """Return the word in a WordNet sense name (``dining_table.n.01``, ``WN_Dining_table``), or None for others."""
    without = _WN.sub("", label)
    found = _SENSE.match(without)
    if found is None and without == label:
        return None
    return (found["lemma"] if found else without).replace("_", " ")


def sense_of(name: str, word: str | None = None) -> int:
    """Return the number in a WordNet sense name (``bed.n.01``), 0 where it is none (of `word`, if that is given)."""
    found = _SENSE.match(name)
    if found is None or (word is not None and found["lemma"].casefold() != word.replace(" ", "_").casefold()):
        return 0
    return int(name.rpartition(".")[2])


def readings(label: str) -> list[str]:
    """Return the texts that the label may stand for, best first: itself, its sense's word, its comma synonyms."""
    label = label.strip()
    found = [label]
    lemma = sense_lemma(label)
    if lemma:
        found.append(lemma)
    if any(separator in label for separator in ",;"):
        parts = (part.strip() for part in re.split(r"[,;]", label))
        found += [sense_lemma(part) or part for part in parts if part]
    return list(dict.fromkeys(text for text in found if text))
