from .chat_template import message_tokens as message_tokens
from .config import DecoderConfig as DecoderConfig
from .decoder import Decoder as Decoder
from .decoder import Llama as Llama
from .decoder import Qwen2 as Qwen2
from .decoder import Qwen2VL as Qwen2VL
from .decoder import Qwen3 as Qwen3
from .decoder import from_pretrained as from_pretrained
from .lora import LoRAConfig as LoRAConfig
from .source import ModelConfig as ModelConfig
from .source import load_model as load_model
from .tokenizer import load_tokenizer as load_tokenizer
from .vision import VisionTower as VisionTower

__all__ = [
    "Decoder",
    "DecoderConfig",
    "Llama",
    "LoRAConfig",
    "ModelConfig",
    "Qwen2",
    "Qwen2VL",
    "Qwen3",
    "VisionTower",
    "from_pretrained",
    "load_model",
    "load_tokenizer",
    "message_tokens",
]
