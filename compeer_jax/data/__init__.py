"""Data: corpora read into dialogues, records to train and judge on, silver labels, splits and tokens.

The names in `__all__`, their arguments, and what they return follow semantic versioning: within a major version they
are added to, not changed or taken away. Everything else in this package may change at any time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
