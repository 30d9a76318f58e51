"""Language models for JAX: the decoder, its weights and tokenizer from and to Hugging Face directories, adapters.

The names in `__all__`, their arguments, and what they return follow semantic versioning: within a major version they
are added to, not changed or taken away; so are the files that `save_pretrained` writes. Everything else in this
package may change at any time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
