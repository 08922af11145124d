"""The life of a worker process: ``python -m km3gpu.pipeline.worker FD``.

It gets tasks through the pipe with file descriptor FD and sends receipts back,
until the pipe ends.
"""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

__all__ = ["main"]


def main(fd: int) -> None:
    """Do tasks until the pipe ends.

    Parameters
    ----------
    fd : int
        File descriptor of this end of the pipe.
    """
    # the run decides when to stop, and lets a worker finish its chunk
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = Connection(fd)
    try:
        sys.path[:] = pipe.recv()  # so that a user's stage is found where the run found it
        from km3gpu.pipeline.task import run_chunk

        while True:
            pipe.send(run_chunk(pipe.recv()))
    except (EOFError, OSError):
        return  # the run ended, or is gone; a part that is whole will be found by the next


if __name__ == "__main__":
    main(int(sys.argv[1]))
