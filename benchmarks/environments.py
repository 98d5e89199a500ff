"""Where scivis works: fresh environments, from the oldest releases to pre-releases, and what happens in each.

python benchmarks/environments.py                              # all; hours, and 4 to 9 GB of disk at a time
python benchmarks/environments.py oldest no-compiler           # some; `--list` names them
python benchmarks/environments.py newest --tests "not slow"    # the marker of the tests to run; "" runs none

Each environment is made with `venv` by the Python of its version, which must be in PATH (`--python 3.14=/path/to/python` names
another), gets scivis and its test requirements by uv if it is there, and otherwise by pip, and is deleted at the end unless
`--keep` is given. An environment whose Python is not there is left out, and named. In each, the checks of `environment.py` run in
processes of their own: the snippet of the README, the demo, the import orders with another library, and the tests. Prints a table,
and ends with status 1 if anything failed; `--out` collects the complete output.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
PRESETS = ("scanpy-v1", "scanpy-v2-preview")
SHOWN = ("scanpy", "anndata", "tensorflow", "keras")
YES, NO = "yes", "**no**"


@dataclass(frozen=True)
class Environment:
    """A fresh environment.

    Parameters
    ----------
    python
        Version of Python.
    packages
        Requirements in addition to those of scivis, or `oldest` for the lower bounds of scivis' own requirements.
    pre
        Whether pip takes pre-releases.
    compiler
        Whether a C++ compiler can be found.
    variables
        Environment variables of all checks.
    presets
        Presets of scanpy under which the snippet of the README runs.
    beside
        Library that is imported in several orders.
    orders
        When the library is imported: see `environment.py`.
    tests
        Arguments of pytest that select the tests.
    """

    python: str
    packages: tuple[str, ...] = ()
    pre: bool = False
    compiler: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    beside: str | None = None
    orders: tuple[str, ...] = ("before", "after", "late")
    tests: tuple[str, ...] = ("tests", "src")


# With another backend, only the tests of what depends on it run.
BACKEND_TESTS = ("-m", "backend", "tests/nn", "tests/ivis")
ENVIRONMENTS = {
    # The oldest matplotlib calls newer releases of its own requirements by names that these deprecated.
    "oldest": Environment("3.11", ("oldest",), tests=("-W", "ignore::DeprecationWarning", "tests", "src")),
    "Python 3.12": Environment("3.12"),
    "newest": Environment("3.13"),
    "pre-releases": Environment("3.13", ("scanpy[scanpy2]",), pre=True, presets=PRESETS),
    "Python 3.14": Environment("3.14", ("scanpy[scanpy2]",), pre=True, presets=PRESETS),
    "no-compiler": Environment("3.13", compiler=False),
    "scvi-tools": Environment("3.13", ("scvi-tools",), beside="scvi"),
    "jax": Environment("3.13", ("jax",), variables={"KERAS_BACKEND": "jax"}, beside="jax", tests=BACKEND_TESTS),
    # `late` is not possible: under this backend, `import tensorflow` alone imports triton too late.
    "torch": Environment(
        "3.13",
        ("scvi-tools",),
        variables={"KERAS_BACKEND": "torch"},
        beside="scvi",
        orders=("before", "after"),
        tests=BACKEND_TESTS,
    ),
}


def lower_bounds() -> list[str]:
    """The oldest minor release of each requirement of scivis, as constraints."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    bounds = (re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement) for requirement in declared)
    return [f"{found[1]}=={_minor(found[2])}.*" for found in bounds if found]


def _minor(version: str) -> str:
    """The first two parts of a version."""
    return ".".join([*version.split("."), "0"][:2])


def find_python(version: str, named: dict[str, str]) -> str | None:
    """Path of a Python of a version: the one that was named, or that of PATH."""
    return named.get(version) or shutil.which(f"python{version}")


def variables_of(environment: Environment, folder: Path) -> dict[str, str]:
    """Environment variables of all processes; without a compiler, PATH has none."""
    variables = os.environ | ONE_THREAD | {"MPLBACKEND": "agg"} | environment.variables
    variables.pop("PYTHONPATH", None)
    if not environment.compiler:
        variables |= {"PATH": str(folder / "bin"), "CC": "no-compiler", "CXX": "no-compiler"}
    return variables


def install(environment: Environment, folder: Path, python: str, log: Path) -> bool:
    """Whether the environment could be made."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], check=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lower_bounds()) if "oldest" in environment.packages else "")
    executable, variables = folder / "bin" / "python", variables_of(environment, folder)
    wanted = ["--editable", ".[annoy]" if environment.compiler else ".", "--group", "test", "--constraint", constraints]
    wanted += [name for name in environment.packages if name != "oldest"]
    if uv := shutil.which("uv"):
        pre = ["--prerelease", "allow"] if environment.pre else []
        return run([uv, "pip", "install", "--quiet", "--python", executable, *pre, *wanted], variables, log)
    pip = [executable, "-m", "pip", "install", "--quiet"]
    pre = ["--pre"] if environment.pre else []
    # The first pip that knows the groups of pyproject.toml.
    return all(run([*pip, *what], variables, log) for what in (["--upgrade", "pip>=25.1"], [*pre, *wanted]))


def run(command: list, variables: dict[str, str], log: Path, folder: Path = ROOT) -> bool:
    """Whether a command succeeds; its output is added to the log."""
    with log.open("a") as output:
        output.write(f"\n$ {' '.join(map(str, command))}\n")
        output.flush()
        return not subprocess.run(
            command, env=variables, cwd=folder, stdout=output, stderr=output, check=False
        ).returncode


def check(environment: Environment, folder: Path, log: Path, marker: str | None) -> dict[str, str]:
    """What happened in an environment, by column."""
    python, variables = folder / "bin" / "python", variables_of(environment, folder)
    script = Path(__file__).with_name("environment.py")

    def passed(*arguments: str, **more: str) -> str:
        return YES if run([python, script, *arguments], variables | more, log) else NO

    found = subprocess.run(
        [python, script, "versions", *SHOWN], env=variables, capture_output=True, text=True, check=True
    )
    presets = [{"SCANPY_PRESET": preset} for preset in environment.presets] or [{}]
    return {
        **json.loads(found.stdout.splitlines()[-1]),
        "README": ", ".join(passed("readme", **preset) for preset in presets),
        "demo": passed("demo"),
        "before, after, late": ", ".join(passed(order, environment.beside) for order in environment.orders)
        if environment.beside
        else "",
        "tests": run_tests(environment, python, variables, log, marker),
    }


def run_tests(environment: Environment, python: Path, variables: dict[str, str], log: Path, marker: str | None) -> str:
    """The last line of pytest, without its time."""
    if not environment.tests or marker == "":
        return "not run"
    selection = [*environment.tests, *(["-m", marker] if marker and "-m" not in environment.tests else [])]
    # Under root only; others could not write to the caches of an installation.
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", *selection]
    run(command, variables, log)
    summaries = re.findall(r"^\d+ .* in [\d.]+s", log.read_text(), re.MULTILINE)
    counts = re.findall(r"\d+ (?:passed|failed|errors?|skipped)", summaries[-1] if summaries else "")
    return ", ".join(counts) or NO


def table(rows: list[dict[str, str]]) -> str:
    """The rows as a table in Markdown."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([row.get(name, "") for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Make the environments that are asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ENVIRONMENTS)} (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument(
        "--tests", metavar="MARKER", help='marker of the tests to run, such as "not slow"; "" runs none'
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="VERSION=PATH", help="a Python that is not in PATH"
    )
    parser.add_argument("--folder", type=Path, help="folder of the environments (default: a temporary one)")
    parser.add_argument(
        "--out", type=Path, default=Path("environments"), help="folder of the logs (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    given = parser.parse_args()
    if unknown := set(given.names) - set(ENVIRONMENTS):
        parser.error(f"{sorted(unknown)} are not of {list(ENVIRONMENTS)}")
    if given.list:
        print(*ENVIRONMENTS, sep="\n")
        return
    base = given.folder or Path(tempfile.mkdtemp())
    given.out.mkdir(parents=True, exist_ok=True)
    named, rows = dict(pair.split("=", 1) for pair in given.python), []
    for name in given.names or ENVIRONMENTS:
        rows.append({"environment": name} | row_of(name, base / name.replace(" ", "-"), named, given))
        print(table(rows), flush=True)
    sys.exit(any(has_failed(row) for row in rows))


def has_failed(row: dict[str, str]) -> bool:
    """Whether a check of an environment failed, or the environment could not be made."""
    return row["installed"] != YES or any(NO in text or "failed" in text or "error" in text for text in row.values())


def row_of(name: str, folder: Path, named: dict[str, str], given: argparse.Namespace) -> dict[str, str]:
    """What happened in one environment, which is deleted afterwards."""
    environment, log = ENVIRONMENTS[name], (given.out / f"{name.replace(' ', '-')}.log").resolve()
    row = {"Python": environment.python}
    python = find_python(environment.python, named)
    if python is None:
        return row | {"installed": "no such Python here"}
    log.unlink(missing_ok=True)
    try:
        if not install(environment, folder, python, log):
            return row | {"installed": NO}
        return row | {"installed": YES} | check(environment, folder, log, given.tests)
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
