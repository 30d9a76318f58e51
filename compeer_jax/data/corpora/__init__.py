"""Corpora of emotional support talks, read into dialogues: ours, the published ones, and plain chats.

    for item in iter_corpus(CorpusConfig(path="ESConv.json")):
        ...  # a Dialogue, or Rejected(where, reason, row)

A new corpus is one `Form` in `forms.py`.
"""

from compeer_jax.data.corpora.reading import iter_corpus, merged, read_corpus
from compeer_jax.data.corpora.rejected import Rejected

__all__ = ["Rejected", "iter_corpus", "merged", "read_corpus"]
