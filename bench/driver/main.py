"""Benchmarks the service and its peers in turn and writes a report."""

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import report
from load import stream, wrk
from servers import CORES, RELEASE, ROOT, Postgres, Server
from work import DATASETS, LARGER, LONG_STREAMS, MILLION, PLACING, QUICK, STREAMS, TUTORIAL, Stream, Work

PEERS = ("marketsvc", "sqlx", "fastapi")
PGBENCH = ROOT / "bench/pgbench"


class Databases:
    """Datasets on SQLite and PostgreSQL, each created once."""

    def __init__(self, folder: Path, postgres: Postgres):
        self.folder, self.postgres, self.urls = folder, postgres, {}

    def url(self, backend: str, dataset: str) -> str:
        if (backend, dataset) not in self.urls:
            self.urls[backend, dataset] = self._create(backend, dataset, dataset)
        return self.urls[backend, dataset]

    def copy(self, backend: str, dataset: str, name: str) -> str:
        """Creates a separate database, because writes change the dataset."""
        return self._create(backend, dataset, f"{dataset}_{name}")

    def _create(self, backend: str, dataset: str, name: str) -> str:
        print(f"  creating {name} on {backend}", file=sys.stderr)
        url = self.postgres.create(name) if backend == "postgres" else f"sqlite://{self.folder}/{name}.db"
        for command in (["migrate", "up"], ["seed", *DATASETS[dataset].seed]):
            database = url if backend == "postgres" else url + "?mode=rwc"
            program = [RELEASE / "marketsvc", "--database-url", database, *command]
            subprocess.run(program, check=True, capture_output=True)
        if backend == "postgres":
            self.postgres.analyze(name)
        return url


def median_of(runs: list[dict]) -> dict:
    """Returns the median, minimum and maximum of each figure over the runs."""
    figures = {}
    for key in runs[0]:
        values = [run[key] for run in runs]
        if key == "errors":
            figures[key] = sum(values)
        else:
            figures[key] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return figures


def in_turns(names, rounds: int, measure) -> dict:
    """Measures every name once per round; each round starts with another name."""
    runs = {name: [] for name in names}
    for round in range(rounds):
        start = round % len(names)
        for name in names[start:] + names[:start]:
            runs[name].append(measure(name))
    return {name: median_of(of_name) for name, of_name in runs.items()}


def measure_work(databases: Databases, backend: str, work: Work, rounds: int, seconds: int, peers=PEERS) -> dict:
    dataset = DATASETS[work.dataset]
    if work.writes:
        urls = {peer: databases.copy(backend, work.dataset, f"{work.name}_{peer}") for peer in peers}
    else:
        urls = dict.fromkeys(peers, databases.url(backend, work.dataset))
    names = (*peers, "constant") if backend == "sqlite" and peers is PEERS else peers
    servers = {name: Server(name, urls.get(name, "")) for name in names}
    requests = {}
    for peer in peers:
        random.seed(work.name)  # The same requests for every peer.
        requests[peer] = work.requests(servers[peer], dataset)
    sample = requests["marketsvc"][0]
    size = len(servers["marketsvc"].get(sample.path)) if sample.method == "GET" else 250
    requests["constant"] = [type(sample)(f"/{max(size, 2)}", sample.method, sample.body)]

    def measure(name: str) -> dict:
        if name == "pgbench":
            script = PGBENCH / f"{work.pgbench}.sql"
            database = urls["marketsvc"].rsplit("/", 1)[1]
            rows = dataset.orders or 3
            return {"rate": databases.postgres.pgbench(database, script, rows, work.connections, seconds), "errors": 0}
        return wrk(servers[name], requests[name], work.connections, seconds)

    for name in names:
        wrk(servers[name], requests[name], work.connections, 1)
    if work.pgbench and backend == "postgres" and peers is PEERS:
        names = (*names, "pgbench")
    try:
        figures = in_turns(names, rounds, measure)
    finally:
        for server in servers.values():
            server.stop()
    return {"name": work.name, "title": work.title, "database": backend, "kind": "rate", "figures": figures}


def measure_stream(databases: Databases, backend: str, work: Stream, rounds: int) -> dict:
    url = databases.url(backend, work.dataset)

    def measure(name: str) -> dict:
        with Server(name, url) as server:
            return stream(server, work.path)

    figures = in_turns(work.peers, rounds, measure)
    return {"name": work.name, "title": work.title, "database": backend, "kind": "stream", "figures": figures}


def measure_start(databases: Databases, rounds: int) -> dict:
    """Measures the time from process start to the first response, and the memory in use at that time."""
    url = databases.url("sqlite", "demo")

    def measure(name: str) -> dict:
        with Server(name, url) as server:
            return {"ready_ms": server.seconds_to_ready * 1e3, "idle_mb": server.memory_mb("VmRSS"), "errors": 0}

    figures = in_turns(PEERS, rounds, measure)
    return {"name": "start", "title": "start to first response", "database": "sqlite", "kind": "start", "figures": figures}


def measure_log(databases: Databases, rounds: int, seconds: int) -> dict:
    """Measures the cost of the access log, which is off in all other measurements."""
    url = databases.url("sqlite", "demo")
    names = ("marketsvc", "marketsvc, access log")
    servers = {name: Server(name, url) for name in names}
    requests = [request for work in TUTORIAL if work.name == "total" for request in work.requests(None, None)]
    figures = in_turns(names, rounds, lambda name: wrk(servers[name], requests, 16, seconds))
    for server in servers.values():
        server.stop()
    title = "`GET /api/order_total/1` with the access log on"
    return {"name": "log", "title": title, "database": "sqlite", "kind": "log", "figures": figures}


def machine() -> dict:
    cpu = next((line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": cpu, "cores": len(CORES), "memory_gib": round(memory), "kernel": platform.release()}


def first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[0]


def versions(postgres: Postgres) -> dict:
    packages = ("fastapi", "uvicorn", "uvloop", "sqlalchemy", "aiosqlite", "asyncpg")
    python = {name: metadata.version(name) for name in packages}
    commit = first_line("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    return {
        "commit": commit,
        "rustc": first_line("rustc", "--version"),
        "python": platform.python_version(),
        **python,
        "postgresql": postgres.version().split()[2],
        "wrk": first_line("wrk", "-v").split()[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small datasets, two rounds of a second: under 3 minutes")
    parser.add_argument("--only", help="only benchmarks whose name contains this; results are printed, not saved")
    options = parser.parse_args()
    rounds, seconds = (2, 1) if options.quick or options.only else (3, 2)

    def wanted(backend: str, work: Work | Stream) -> bool:
        if options.only:
            return options.only in work.name
        return not options.quick or work.name in QUICK[backend]


    folder = Path(tempfile.mkdtemp(prefix="marketsvc-bench-", dir=os.environ.get("BENCH_DIR")))
    folder.chmod(0o755)
    results = []

    def keep(result: dict) -> None:
        results.append(result)
        print(report.line(result), flush=True)

    try:
        with Postgres(folder / "postgres") as postgres:
            databases = Databases(folder, postgres)
            for backend in ("sqlite", "postgres"):
                for work in TUTORIAL + LARGER + PLACING + MILLION:
                    if wanted(backend, work):
                        keep(measure_work(databases, backend, work, rounds, seconds))
                for work in STREAMS + LONG_STREAMS:
                    if wanted(backend, work):
                        once = options.quick or work in LONG_STREAMS
                        keep(measure_stream(databases, backend, work, 1 if once else rounds))
            if not options.only:
                keep(measure_start(databases, rounds if options.quick else 3 * rounds))
                keep(measure_log(databases, rounds, seconds))
            facts = {
                "date": datetime.now(UTC).strftime("%Y-%m-%d"),
                "machine": machine(),
                "versions": versions(postgres),
                "settings": {"rounds": rounds, "seconds": seconds, "quick": options.quick},
                "binary_mb": {name: (RELEASE / name).stat().st_size / 1e6 for name in ("marketsvc", "peer-sqlx")},
                "results": results,
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not options.only:
        report.write(facts, quick=options.quick)
    failed = sum(figures["errors"] for result in results for figures in result["figures"].values())
    if failed:
        sys.exit(f"{failed} requests failed: the figures are not valid")


if __name__ == "__main__":
    main()
