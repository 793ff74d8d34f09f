"""Processes under test: the service, its peers and PostgreSQL, each pinned to its own cores."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
CORES = sorted(os.sched_getaffinity(0))
# One core for the server under test, the others for the load generator and PostgreSQL.
SERVER_CORES, OTHER_CORES = {CORES[0]}, set(CORES[1:]) or {CORES[0]}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def on_cores(cores: set[int]):
    return lambda: os.sched_setaffinity(0, cores)


class Server:
    """A started server that accepts requests."""

    def __init__(self, name: str, database: str):
        self.name, self.port = name, free_port()
        self.log = tempfile.TemporaryFile()
        command, environment = COMMANDS[name](self.port, database)
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=on_cores(SERVER_CORES),
        )
        self._wait_until_ready()
        self.seconds_to_ready = time.perf_counter() - started

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/64" if self.name == "constant" else "/")
                return
            except OSError:
                time.sleep(0.001)
        self.log.seek(0)
        sys.exit(f"{self.name} did not start:\n{self.log.read().decode()}")

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise OSError(f"{path}: {response.status} {body[:200]!r}")
        return body

    def memory_mb(self, field: str) -> float:
        """Returns `VmRSS` (resident memory) or `VmHWM` (its peak) in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise LookupError(field)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def marketsvc(port: int, database: str):
    listen = ["--listen", f"127.0.0.1:{port}", "--workers", "1"]
    return [RELEASE / "marketsvc", "serve", *listen], {"DATABASE_URL": database, "RUST_LOG": "warn"}


def marketsvc_with_log(port: int, database: str):
    command, environment = marketsvc(port, database)
    return command, environment | {"RUST_LOG": "info"}


def baseline(port: int, database: str):
    command, environment = marketsvc(port, database)
    return [os.environ["BASELINE"], *command[1:]], environment


def sqlx(port: int, database: str):
    listen = ["--listen", f"127.0.0.1:{port}", "--workers", "1"]
    return [RELEASE / "peer-sqlx", *listen, "--database-url", database], {}


def constant(port: int, _database: str):
    return [RELEASE / "peer-constant", "--listen", f"127.0.0.1:{port}", "--workers", "1"], {}


def fastapi(port: int, database: str):
    drivers = {"sqlite:": "sqlite+aiosqlite:/", "postgres:": "postgresql+asyncpg:"}
    scheme = database.split("//")[0]
    app = ["--app-dir", ROOT / "bench/peers/fastapi", "app:app", "--port", str(port)]
    fast = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    command = [sys.executable, "-m", "uvicorn", *app, *fast]
    url = database.replace(scheme, drivers[scheme], 1)
    return command, {"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"}


COMMANDS = {
    "marketsvc": marketsvc,
    "marketsvc, access log": marketsvc_with_log,
    "baseline": baseline,
    "sqlx": sqlx,
    "constant": constant,
    "fastapi": fastapi,
}


class Postgres:
    """A PostgreSQL server with default settings, so each commit waits for the disk."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self.programs = programs[-1] if programs else Path(shutil.which("initdb")).parent
        # PostgreSQL refuses to run as root.
        self.user = "nobody" if os.getuid() == 0 else None
        folder.mkdir()
        if self.user:
            shutil.chown(folder, self.user)
        data = folder / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", data, "-p", str(self.port), "-k", folder],
            user=self.user,
            stderr=subprocess.DEVNULL,
            preexec_fn=on_cores(OTHER_CORES),
        )
        while subprocess.run([self.programs / "pg_isready", "-q", *self._where()]).returncode != 0:
            time.sleep(0.1)

    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]

    def _run(self, program: str, *arguments) -> str:
        command = [self.programs / program, *arguments]
        done = subprocess.run(command, user=self.user, check=True, capture_output=True, text=True)
        return done.stdout

    def create(self, name: str) -> str:
        """Creates an empty database and returns its URL."""
        self._run("createdb", *self._where(), name)
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def analyze(self, name: str) -> None:
        self._run("psql", *self._where(), "-qc", "VACUUM ANALYZE", name)

    def version(self) -> str:
        return self._run("postgres", "--version").strip()

    def pgbench(self, name: str, script: Path, rows: int, clients: int, seconds: float) -> float:
        """Returns the transactions per second of a script with prepared statements."""
        options = ["-n", "-M", "prepared", "-c", str(clients), "-T", str(int(seconds)), "-D", f"n={rows}"]
        done = subprocess.run(
            [self.programs / "pgbench", *self._where(), *options, "-f", script, name],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=on_cores(SERVER_CORES),
        )
        line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
        return float(line.split()[2])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
