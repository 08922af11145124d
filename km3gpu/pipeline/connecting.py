"""A client for the dask scheduler that somebody names, or word of why there can be none."""

from __future__ import annotations

import contextlib
from typing import Any

import distributed

from km3gpu.errors import BackendError, ConfigError

__all__ = ["connect", "same_dask"]

PATIENCE = "20s"  # how long to wait for a scheduler to answer
_REMEDY = "give the address of the scheduler, or an open distributed.Client"


def connect(scheduler: Any, ours: contextlib.ExitStack) -> distributed.Client:
    """Give a client that is connected, can be waited for and speaks as its scheduler does.

    Parameters
    ----------
    scheduler : str, distributed.Client or a cluster of dask
        A client is given back as it is, and stays open.
    ours : contextlib.ExitStack
        Closes the client that was made here.

    Raises
    ------
    BackendError
        No scheduler answers, or one of another version; a client that is closed.
    ConfigError
        It is none of these.
    """
    if isinstance(scheduler, distributed.Client):
        if scheduler.asynchronous:
            raise BackendError("the dask client is an asynchronous one", remedy=_REMEDY)
        if scheduler.status != "running":
            raise BackendError(f"the dask client is {scheduler.status}", remedy=_REMEDY)
        client = scheduler
    else:
        try:
            client = ours.enter_context(distributed.Client(scheduler, timeout=PATIENCE))
        except TypeError as error:
            if isinstance(scheduler, str):  # a call that the other end does not know
                raise BackendError(
                    f"the dask scheduler at {scheduler!r} is of another version: {error}",
                    remedy=f"let it run distributed {distributed.__version__}, as this process does",
                ) from error
            raise ConfigError(f"scheduler = {scheduler!r}", remedy=_REMEDY) from error
        except (OSError, ValueError) as error:
            raise BackendError(
                f"no dask scheduler at {scheduler!r}: {error}",
                remedy="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error
    same_dask(client)
    return client


def same_dask(client: distributed.Client) -> None:
    """See that the scheduler runs the same dask as this process, which is all that dask promises to work.

    Raises
    ------
    BackendError
        It runs another.
    """
    theirs = client.sync(client.scheduler.versions)["packages"].get("distributed")
    if theirs != distributed.__version__:
        raise BackendError(
            f"the dask scheduler runs distributed {theirs}, this is {distributed.__version__}",
            where=client.scheduler.address,
            remedy="install the same version in both places, workers too",
        )
