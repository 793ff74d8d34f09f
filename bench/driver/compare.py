"""Compares this build with an earlier one: the rate of each as a ratio, measured in turns."""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from load import stream
from main import Databases, in_turns, measure_work
from servers import Postgres, Server
from work import LARGER, MILLION, PLACING, STREAMS, TUTORIAL

BUILDS = ("marketsvc", "baseline")


def measure_stream(databases: Databases, backend: str, work, rounds: int) -> dict:
    url = databases.url(backend, work.dataset)

    def measure(name: str) -> dict:
        with Server(name, url) as server:
            return stream(server, work.path)

    return in_turns(BUILDS, rounds, measure)


def row(backend: str, title: str, figures: dict, key: str) -> str:
    now, before = (figures[build][key] for build in BUILDS)
    inverse = key != "rate"
    ratio = before["median"] / now["median"] if inverse else now["median"] / before["median"]
    failed = sum(figures[build]["errors"] for build in BUILDS)
    return f"| {backend} | {title} | {before['median']:.4g} | {now['median']:.4g} | {ratio:.2f} | {failed} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run compare", description=__doc__)
    parser.add_argument("baseline", type=Path, help="the program `marketsvc` of the earlier build")
    parser.add_argument("--only", default="", help="only benchmarks whose name contains this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true", help="also on 1,000,000 orders")
    options = parser.parse_args()
    os.environ["BASELINE"] = str(options.baseline.resolve())
    folder = Path(tempfile.mkdtemp(prefix="marketsvc-bench-", dir=os.environ.get("BENCH_DIR")))
    folder.chmod(0o755)
    print("| database | benchmark | baseline | this build | ratio | failed |\n|---|---|--:|--:|--:|--:|")
    try:
        with Postgres(folder / "postgres") as postgres:
            databases = Databases(folder, postgres)
            for backend in ("sqlite", "postgres"):
                for work in TUTORIAL + LARGER + PLACING + (MILLION if options.million else []):
                    if options.only in work.name:
                        result = measure_work(databases, backend, work, options.rounds, 1, BUILDS)
                        print(row(backend, work.title, result["figures"], "rate"), flush=True)
                for work in STREAMS:
                    if options.only in work.name:
                        figures = measure_stream(databases, backend, work, options.rounds)
                        print(row(backend, work.title, figures, "seconds"), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
