from .continuous_batching import ContinuousBatching as ContinuousBatching
from .conversation_engine import ConversationEngine as ConversationEngine
from .engine import Engine as Engine
from .rollout import Rollout as Rollout
from .sampling import SamplingConfig as SamplingConfig
from .sampling import row_keys as row_keys
from .stop_strings import StopStrings as StopStrings

__all__ = [
    "ContinuousBatching",
    "ConversationEngine",
    "Engine",
    "Rollout",
    "SamplingConfig",
    "StopStrings",
    "row_keys",
]
