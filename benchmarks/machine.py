"""The machine that measures, and processes whose time and memory are measured."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "scivis", "anndata", "scanpy", "tensorflow", "keras", "umap-learn", "pynndescent", "annoy", "pacmap", "openTSNE",
    "parampacmap", "torch",
    "numpy", "scipy", "scikit-learn", "numba",
)  # fmt: skip


def describe() -> str:
    """Cores, memory, load, Python and package versions: what a number means nothing without."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} {platform.machine()}",
        f"load in the last minute before the start: {os.getloadavg()[0]:.1f}",
        f"Python {platform.python_version()}, Keras backend {os.environ.get('KERAS_BACKEND', 'tensorflow')}",
        ", ".join(f"{name} {installed}" for name in PACKAGES if (installed := _version(name))),
    )
    return "\n".join(f"* {line}" for line in lines)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def run_script(
    name: str, *arguments: object, python: str = sys.executable, limit: float | None = None
) -> dict[str, Any]:
    """Run a script of this folder in a process of its own, by another Python if need be, for `limit` seconds at most.

    Returns what it printed last, as JSON, and `process_seconds`, `cpu_seconds` (of all cores together, which other programs hardly
    change) and `peak_mib` of the whole process. A process that
    reaches the limit is killed, and TimeoutError is raised.
    Linux counts the parent's memory at the fork to the child, so callers import nothing big.
    """
    command = [python, str(Path(__file__).with_name(name)), *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as messages:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=messages)
        timer = threading.Timer(limit or threading.TIMEOUT_MAX, process.kill)
        timer.daemon = True
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)  # as getrusage(RUSAGE_CHILDREN), but of this child alone
        timer.cancel()
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if limit is not None and seconds >= limit:
            msg = f"{' '.join(command)} took longer than {limit:g} s"
            raise TimeoutError(msg)
        output.seek(0)
        messages.seek(0)
        if process.returncode:
            msg = f"{' '.join(command)} ended with status {process.returncode}:\n{messages.read()}"
            raise RuntimeError(msg)
        result = json.loads(output.read().splitlines()[-1])
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    used = usage.ru_utime + usage.ru_stime
    return result | {"process_seconds": seconds, "cpu_seconds": used, "peak_mib": kib / 1024}
