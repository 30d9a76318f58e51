"""A working folder of chat models: for one process at a time, with a store of their answers.

OUTPUT/
  answers/     what chat models said, as they said it; whoever goes on here asks nothing twice
  .lock        held by the process that is at work
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from compeer_jax.chat.config import ChatModelConfig
from compeer_jax.chat.models import ChatModels
from compeer_jax.files import FolderLock, make_folder

ANSWERS = "answers"


@contextlib.contextmanager
def models_in(
    output: str | Path, configs: Mapping[str, ChatModelConfig], *, say: Callable[[str], None]
) -> Iterator[tuple[Path, ChatModels]]:
    """The folder, made if it is not there and this process's alone until the block ends, and the chat models.

    Args:
        output: the folder.
        configs: name -> model.
        say: told a line when a server goes away or comes back.

    Raises:
        UserError: the folder can't be made, or another process is at work in it.
    """
    folder = Path(output).expanduser()
    make_folder(folder)
    lock = FolderLock(folder)
    try:
        with contextlib.closing(ChatModels(configs, folder=folder / ANSWERS, say=say)) as models:
            yield folder, models
    finally:
        lock.release()
