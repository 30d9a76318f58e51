"""A line below the pages that the runtime prints when it ends a process from within."""

import contextlib
import subprocess
import sys

_HELPER = """
import sys
line = ""
for line in sys.stdin:
    pass
if line.strip():
    print(line.strip(), file=sys.stderr, flush=True)
"""


class LastWords:
    """What is printed if this process ends without a chance to say anything: killed, or aborted by a library.

    When a process of a run is gone, or the others don't come, JAX's runtime aborts the process in C++, which no handler
    of Python's sees. So a small helper, which starts within some milliseconds, outlives this process by a moment.
    """

    def __init__(self):
        # In a session of its own, it isn't stopped by what stops the process that it speaks for.
        self._helper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HELPER], stdin=subprocess.PIPE, start_new_session=True, text=True
        )

    def would_be(self, line: str) -> None:
        """Sets the line, in place of the one before."""
        with contextlib.suppress(BrokenPipeError):  # the helper was killed: then there are no last words
            self._helper.stdin.write(line + "\n")
            self._helper.stdin.flush()

    def keep_silent(self) -> None:
        """From now on this process ends well, or with a sentence of its own."""
        if not self._helper.stdin.closed:
            self.would_be("")
            with contextlib.suppress(BrokenPipeError):
                self._helper.stdin.close()
            self._helper.wait()
