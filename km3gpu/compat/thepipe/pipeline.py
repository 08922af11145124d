"""The pipeline: modules one after the other, blob by blob, until a pump has no more."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from km3gpu.compat.thepipe.attach import make_module
from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.configuration import read_configuration
from km3gpu.compat.thepipe.logger import get_logger, get_printer
from km3gpu.compat.thepipe.provenance import Provenance
from km3gpu.compat.thepipe.services import ServiceManager
from km3gpu.compat.thepipe.timing import STATS_LIMIT, Stopwatch, report
from km3gpu.compat.thepipe.tools import Timer

__all__ = ["Pipeline"]


class Pipeline:
    """A chain of modules.

    Parameters
    ----------
    blob : optional
        What `blob` is before the first cycle.
    timeit : bool
        Measure every module, not only those with ``timeit=True``.
    configfile : path, optional
        TOML file with parameters of modules, stronger than those given to
        `attach`; by default ``pipeline.toml``, where there is one.
    stats_limit : int
        How many of the last cycles the statistics look at.

    Attributes
    ----------
    modules : list
        In the order they were attached.
    services : ServiceManager
    was_interrupted : bool
        A signal ended the last cycle.
    """

    def __init__(
        self,
        blob: Any = None,
        timeit: bool = False,
        configfile: str | os.PathLike[str] | None = None,
        stats_limit: int = STATS_LIMIT,
    ) -> None:
        self.log = get_logger(type(self).__name__)
        self.cprint = get_printer(type(self).__name__)
        self.provenance: Any = Provenance()
        self._uuid = self.provenance.start_activity("pipeline")
        self.load_configuration(configfile)
        self.init_timer = Timer("Pipeline and module initialisation")
        self.init_timer.start()
        self.modules: list[Any] = []
        self.services = ServiceManager()
        self.required_services: dict[str, str] = {}
        self.blob = blob or Blob()
        self.timeit = timeit
        self.was_interrupted = False
        self._limit = stats_limit
        self._cycles = Stopwatch(stats_limit)
        self._watches: list[Stopwatch] = []  # one for each module
        self._began = (time.perf_counter(), time.process_time())
        self._cycle_count = 0
        self._stop = False
        self._finished = False
        self._signal = 0
        self._module = ""  # whose turn it is
        self._status = "completed"

    def load_configuration(self, configfile: str | os.PathLike[str] | None) -> None:
        """Take parameters of modules from a TOML file (see `configuration`)."""
        from km3gpu.compat.thepipe import core  # imports this module; scripts set the name there

        path, self.module_configuration = read_configuration(configfile, core.MODULE_CONFIGURATION)
        if path is not None:
            self.cprint(f"Reading module configuration from {path!r}")
            self.log.warning("the configuration file is stronger than keyword arguments of attach")

    def attach(self, module_factory: Any, name: str | None = None, **kwargs: Any) -> None:
        """Attach a module.

        Parameters
        ----------
        module_factory : class or callable
            A class of modules, or a function from blob to blob.
        name : str, optional
            That of the class or function by default.
        **kwargs
            Parameters of the module, and ``only_if`` (key or keys that a blob
            must have), ``every`` (see only every n-th blob), ``blob_keys``
            (see only these keys), ``timeit``.
        """
        known = name or str(getattr(module_factory, "__name__", ""))
        configured = self.module_configuration.get(known, {})
        for key in sorted(set(kwargs) & set(configured)):
            self.log.info(f"Parameter {key!r} of module {known!r} is taken from the configuration file")
        with self._inside(module=known):
            module = make_module(module_factory, name, kwargs, configured, self.timeit)
        if any(m.name == module.name for m in self.modules):
            self.log.warning(f"There are several modules {module.name!r}")
        for service, obj in getattr(module, "provided_services", {}).items():
            self.services.register(service, obj)
        self.required_services |= getattr(module, "required_services", {})
        module.services = self.services
        self.modules.append(module)
        self._watches.append(Stopwatch(self._limit))

    # -- draining ------------------------------------------------------------
    def drain(self, cycles: int | None = None) -> Blob | None:
        """Run until a pump raises StopIteration, or for a number of cycles.

        Whatever happens, every module that was attached is finished, and the
        record says how it ended: ``"completed"``, ``"interrupted"`` (Ctrl-C or
        SIGTERM, after the cycle) or ``"error"``.

        Parameters
        ----------
        cycles : int, optional
            None or 0: until there is nothing left.

        Returns
        -------
        Blob
            What `finish` of each module gave, by name; None where the pipeline
            was drained before.
        """
        if self._finished:
            self.log.error("The pipeline has already been drained")
            return None
        with self._inside(ends=True), self._signals():
            modules = [{"name": m.name, "parameters": getattr(m, "parameters", None)} for m in self.modules]
            self._record(planned_cycles=cycles, modules=modules)
            missing = self.services.get_missing_services(self.required_services)
            if missing:
                self.log.critical("Following services are required and missing: %s", ", ".join(missing))
                self._status = "error"
            else:
                self._run(cycles)
            results = self._finish()
        if self._signal == signal.SIGTERM:
            sys.exit(128 + signal.SIGTERM)  # whoever sent it wants the process to end
        return results

    def _run(self, cycles: int | None) -> None:
        """Prepare the modules, and do the cycles."""
        try:
            for module in self.modules:
                if hasattr(module, "prepare"):
                    self._module = module.name
                    module.prepare()
            self.init_timer.stop()
            with contextlib.suppress(StopIteration):
                while not self._stop:
                    with self._cycles.cycle():
                        self._cycle()
                    self._cycle_count += 1
                    if cycles and self._cycle_count >= cycles:
                        break
        except KeyboardInterrupt:
            self._interrupt()
        except BaseException:
            # the modules are finished all the same; this is what is raised, not what that raises
            with contextlib.suppress(Exception):
                self._finish()
            raise

    def _cycle(self) -> None:
        """Send one blob through all modules."""
        self.blob = Blob()
        for module, watch in zip(self.modules, self._watches, strict=True):
            if self.blob is None:
                return
            if module.only_if and not module.only_if.issubset(self.blob):
                continue
            if (self._cycle_count + 1) % module.every:
                continue
            self._module = module.name
            keys = module.blob_keys
            given = self.blob if keys is None else Blob({k: self.blob[k] for k in keys if k in self.blob})
            if self.timeit or module.timeit:
                with watch.cycle():
                    got = module(given)
            else:
                got = module(given)
            if keys is None:
                self.blob = got
            elif got is not None:
                self.blob.update(got)

    def finish(self) -> Blob:
        """Finish every module, and give what they give, by name."""
        with self._inside(ends=True):
            return self._finish()

    def _finish(self) -> Blob:
        results = Blob()
        first: Exception | None = None
        for module, watch in zip(self.modules, self._watches, strict=True):
            if not hasattr(module, "pre_finish"):
                continue
            try:
                with watch.finishing():
                    result = module.pre_finish()
            except Exception as error:  # the others are to be finished too
                self.log.error(f"Finishing {module.name!r} failed: {error!r}")
                self._record_error(error, module=module.name, during="finish")
                first = first or error
                continue
            if module.name in results:  # nothing is lost where names are not unique
                n = sum(k == module.name or k.startswith(f"{module.name}#") for k in results)
                results[f"{module.name}#{n}"] = results[module.name]
            results[module.name] = result
        self._finished = True
        if self._cycle_count:
            spent = (time.perf_counter() - self._began[0], time.process_time() - self._began[1])
            pairs = zip(self.modules, self._watches, strict=True)
            shown = [(m.name, w) for m, w in pairs if self.timeit or m.timeit]
            report(self._cycle_count, spent, self._cycles, shown)
        if first is not None:
            raise first
        return results

    @property
    def statistics(self) -> dict[str, Any]:
        """Times of the cycles, and of the modules in order, in seconds, as plain values."""
        modules = [{"name": m.name, **w.summary()} for m, w in zip(self.modules, self._watches, strict=True)]
        return {"cycles": self._cycles.summary(), "modules": modules}

    # -- signals -------------------------------------------------------------
    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Catch Ctrl-C and SIGTERM while the block runs; only the main thread can, others get none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {n: signal.signal(n, self._handle_ctrl_c) for n in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle_ctrl_c(self, number: int = signal.SIGINT, *_: object) -> None:
        """Stop after this cycle the first time, at once the second."""
        if self._stop:
            sys.stdout.write("\nStopped at once.\n")
            self._record(forced_shutdown=True)
            raise SystemExit(128 + number)
        self._signal = number
        sys.stdout.write(
            f"\n{signal.Signals(number).name}: stopping after this cycle; again to stop at once.\n"
        )
        self._interrupt()

    def _interrupt(self) -> None:
        self._stop = self.was_interrupted = True
        self._status = "interrupted"
        self._record(interrupted=True)

    # -- the record ----------------------------------------------------------
    @contextlib.contextmanager
    def _inside(self, *, module: str = "", ends: bool = False) -> Iterator[None]:
        """Do the block as part of this pipeline's activity, which may end with it."""
        self._module = module
        with self.provenance.inside(self._uuid):
            try:
                yield
            except BaseException as error:
                if not isinstance(error, SystemExit) or not self.was_interrupted:
                    self._status = "error"
                    self._record_error(error, module=self._module, cycle=self._cycle_count)
                raise
            finally:
                if ends and self.provenance.find(self._uuid) is not None:
                    self._record(cycles=self._cycle_count)
                    self.provenance.finish_activity(self._uuid, self._status)

    def _record(self, **configuration: Any) -> None:
        activity = self.provenance.find(self._uuid)
        if activity is not None:
            activity.record_configuration(configuration)

    def _record_error(self, error: BaseException, **where: Any) -> None:
        activity = self.provenance.find(self._uuid)
        known = () if activity is None else activity.provenance.get("errors", ())
        words = " ".join(str(error).split())
        if activity is not None and not any(e["message"] == words for e in known):
            activity.record_error(error, **where)
