from .conversation_engine import ConversationEngine as ConversationEngine
from .engine import Engine as Engine
from .rollout import Rollout as Rollout
from .sampling import SamplingConfig as SamplingConfig
from .sampling import row_keys as row_keys
from .slot_engine import SlotEngine as SlotEngine
from .stop_strings import StopStrings as StopStrings

__all__ = [
    "ConversationEngine",
    "Engine",
    "Rollout",
    "SamplingConfig",
    "SlotEngine",
    "StopStrings",
    "row_keys",
]
