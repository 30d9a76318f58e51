from .corpora import Rejected as Rejected
from .corpora import iter_corpus as iter_corpus
from .corpora import read_corpus as read_corpus
from .corpora.config import CorpusConfig as CorpusConfig
from .judge_record import JudgeRecord as JudgeRecord
from .policy_data import DataConfig as DataConfig
from .policy_data import Splits as Splits
from .policy_data import load_records as load_records
from .record import Record as Record
from .silver.records import silver_records as silver_records
from .small_tokenizer import train_tokenizer as train_tokenizer
from .splits import DialogueSplits as DialogueSplits
from .splits import split_dialogues as split_dialogues

__all__ = [
    "CorpusConfig",
    "DataConfig",
    "DialogueSplits",
    "JudgeRecord",
    "Record",
    "Rejected",
    "Splits",
    "iter_corpus",
    "load_records",
    "read_corpus",
    "silver_records",
    "split_dialogues",
    "train_tokenizer",
]
