"""The life of a worker process: tasks come through a pipe, receipts go back, until the pipe ends."""

from __future__ import annotations

import gc
import json
import signal
import sys
from multiprocessing.connection import Connection

__all__ = ["command", "main"]

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from km3gpu.pipeline.worker import main
main(int(sys.argv[1]))
"""


def command(fd: int) -> list[str]:
    """Give the command line of a worker that talks through file descriptor `fd`.

    It looks for modules where this process does, so that it runs the same code
    and finds the stages of the user.
    """
    return [sys.executable, "-c", _START, str(fd), json.dumps(sys.path)]


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
        from km3gpu.pipeline.sealed import run_sealed

        pipe.send(run_sealed(pipe.recv_bytes()))
        gc.collect()
        gc.freeze()  # modules stay: the collector need not look through them again and again
        while True:
            pipe.send(run_sealed(pipe.recv_bytes()))
    except (EOFError, OSError):
        return  # the run ended, or is gone; a part that is whole will be found by the next
