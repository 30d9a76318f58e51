from .danger import Danger as Danger
from .danger import danger_in_talk as danger_in_talk
from .danger import find_danger as find_danger
from .danger import suggests_danger as suggests_danger
from .judging import JudgeCase as JudgeCase
from .judging import judge_messages as judge_messages
from .material import harmless as harmless
from .prompts import load_judge_prompt as load_judge_prompt
from .prompts import load_prompt as load_prompt
from .reasoning import CARE as CARE
from .reasoning import COMPEER as COMPEER
from .reasoning import FORMATS as FORMATS
from .reasoning import ReasonedTurn as ReasonedTurn
from .reasoning import ReasoningFormat as ReasoningFormat
from .schema import Dialogue as Dialogue
from .schema import Turn as Turn
from .talk import chat_messages as chat_messages
from .taxonomy import EMOTIONS as EMOTIONS
from .taxonomy import INTENSITIES as INTENSITIES
from .taxonomy import LANGUAGES as LANGUAGES
from .taxonomy import SENTIMENTS as SENTIMENTS
from .taxonomy import STAGES as STAGES
from .taxonomy import STRATEGIES as STRATEGIES
from .thoughts import spoken as spoken
from .verdicts import parse_preference as parse_preference
from .verdicts import parse_step_verdict as parse_step_verdict

__all__ = [
    "CARE",
    "COMPEER",
    "EMOTIONS",
    "FORMATS",
    "INTENSITIES",
    "LANGUAGES",
    "SENTIMENTS",
    "STAGES",
    "STRATEGIES",
    "Danger",
    "Dialogue",
    "JudgeCase",
    "ReasonedTurn",
    "ReasoningFormat",
    "Turn",
    "chat_messages",
    "danger_in_talk",
    "find_danger",
    "harmless",
    "judge_messages",
    "load_judge_prompt",
    "load_prompt",
    "parse_preference",
    "parse_step_verdict",
    "spoken",
    "suggests_danger",
]
