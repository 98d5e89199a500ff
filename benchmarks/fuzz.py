"""Everything that could go wrong with what scivis stores, tried at random: entries, files, killed processes, full disks.

python benchmarks/fuzz.py                     # 10,000 altered entries and files, 200 kills, 100 full disks: hours on two cores
python benchmarks/fuzz.py --quick             # a fiftieth of it

Prints a table of promise, trials and failures, and each failure in a line of its own on standard error. The exit status is 1
if there was one. Ctrl-C and SIGTERM end with the table of what was tried. Each section is a process of its own. If a trial
ends it (a fault of a library in C, more than 16 GiB of memory, or more than a quarter of an hour), this is a failure, too,
and the section goes on after it. A seed gives the same alterations; the moments of the kills depend on the speed of the
machine.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from importlib import import_module
from tempfile import TemporaryFile

import machine

# Trials of each section, for 10,000 altered entries and files.
SECTIONS = {"entries": 8000, "files": 2000, "kills": 200, "disks": 100}
_MEMORY = 16 * 2**30
_SECONDS = 900


def main() -> int:
    args = parsed()
    if args.section:
        work(args.section, args.seed, args.trials, args.first)
        return 0
    trials, failures = Counter(), Counter()
    print(machine.describe(), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell ignores Ctrl-C, in the background
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        for section in args.sections:
            n = max(SECTIONS[section] * args.trials // 10_000, 8)
            for promise, failure in tried(section, args.seed, n):
                trials[promise] += 1
                failures[promise] += failure is not None
                if failure:
                    print(f"{promise}: {failure}", file=sys.stderr, flush=True)
    print(f"\nSeed {args.seed}\n\n| promise | trials | failures |\n|---|---|---|")
    for promise, n in trials.items():
        print(f"| {promise} | {n:,} | {failures[promise]:,} |")
    return int(bool(failures.total()))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trials", type=int, default=10_000, help="altered entries and files; kills and disks in proportion"
    )
    parser.add_argument("--quick", action="store_const", const=200, dest="trials", help="the same as --trials 200")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    # How this script calls itself.
    parser.add_argument("--section", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def tried(section: str, seed: int, n: int):
    """Promise and failure of each trial of a section, in processes that may end."""
    done = 0
    while done < n:
        command = [sys.executable, __file__, "--section", section, "--seed", seed, "--trials", n, "--first", done]
        with TemporaryFile("w+") as messages:
            with subprocess.Popen(map(str, command), stdout=subprocess.PIPE, stderr=messages, text=True) as process:
                try:
                    for line in process.stdout:
                        yield json.loads(line)
                        done += 1
                except BaseException:  # Ctrl-C, or the results are not wanted any more
                    process.kill()
                    raise
            messages.seek(0)
            said = messages.read()[-1000:]
        if process.returncode == 0:
            if done < n:
                print(f"{section}: {done} of {n} trials: {said}", file=sys.stderr)
            return
        ended = f"trial {done} ended with status {process.returncode}: {said}"
        if said.rstrip().endswith("anndata reads"):  # in HDF5, before scivis sees anything
            yield "damaged h5ad: HDF5 ends the process or never ends while anndata reads", None
        else:
            yield f"{section}: no trial ends the process", ended
        done += 1


def work(section: str, seed: int, n: int, first: int) -> None:
    """Try, and print each result as a line of JSON; whatever else is printed goes to standard error."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepare()
    signal.alarm(2 * _SECONDS)  # no handler: it ends code in C, too
    for result in import_module(f"fuzz_{section}").trials(seed, n, first):
        print(json.dumps(result), file=lines, flush=True)
        signal.alarm(_SECONDS)


def prepare() -> None:
    """Quiet, without windows, and without compilation, which takes longer than these small fits."""
    import matplotlib as mpl
    import scanpy as sc
    import tensorflow as tf  # noqa: TID251 (only TensorFlow compiles)

    mpl.use("agg")
    sc.settings.verbosity = 0
    tf.config.run_functions_eagerly(run_eagerly=True)


if __name__ == "__main__":
    sys.exit(main())
