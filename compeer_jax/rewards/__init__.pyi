from .config import EncoderConfig as EncoderConfig
from .config import RewardConfig as RewardConfig
from .encoders import EncodedTurns as EncodedTurns
from .encoders import encode_texts as encode_texts
from .encoders import make_encoder as make_encoder
from .generative_judge import GenerativeJudge as GenerativeJudge
from .hierarchical import HierarchicalReward as HierarchicalReward
from .in_process import InProcessJudge as InProcessJudge
from .judge import Judge as Judge
from .judge import Verdicts as Verdicts
from .judge import judge_reward as judge_reward
from .judge_card import JudgeCard as JudgeCard
from .load import load_reward as load_reward
from .remote_judge import RemoteJudge as RemoteJudge
from .reward import Completion as Completion
from .reward import Rewards as Rewards
from .reward import reference_completion as reference_completion
from .rules import RuleJudge as RuleJudge
from .scoring import unified_reward as unified_reward

__all__ = [
    "Completion",
    "EncodedTurns",
    "EncoderConfig",
    "GenerativeJudge",
    "HierarchicalReward",
    "InProcessJudge",
    "Judge",
    "JudgeCard",
    "RemoteJudge",
    "RewardConfig",
    "Rewards",
    "RuleJudge",
    "Verdicts",
    "encode_texts",
    "judge_reward",
    "load_reward",
    "make_encoder",
    "reference_completion",
    "unified_reward",
]
