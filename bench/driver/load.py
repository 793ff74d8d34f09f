"""Load generators: wrk for request rates, a plain socket for one streamed response."""

import json
import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from servers import OTHER_CORES, Server, on_cores

SCRIPT = Path(__file__).resolve().parents[1] / "load.lua"


@dataclass
class Request:
    path: str
    method: str = "GET"
    body: str = ""

    def line(self) -> str:
        return f"{self.method} {self.path} {self.body}".rstrip()


def wrk(server: Server, requests: list[Request], connections: int, seconds: int) -> dict:
    """Sends the requests in a loop; returns the rate, the latencies in ms and the number of failures."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(request.line() + "\n" for request in requests)
        file.flush()
        threads = min(len(OTHER_CORES), connections)
        command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        done = subprocess.run(
            [*command, "-s", SCRIPT, f"http://127.0.0.1:{server.port}", "--", file.name],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=on_cores(OTHER_CORES),
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    return {
        "rate": result["requests"] / result["seconds"],
        "p50_ms": result["p50_ms"],
        "p99_ms": result["p99_ms"],
        "errors": result["errors"],
    }


def stream(server: Server, path: str) -> dict:
    """Reads one streamed response; returns its times to first and last byte, its size and the server's memory."""
    time.sleep(0.3)
    idle = server.memory_mb("VmRSS")
    os.sched_setaffinity(0, OTHER_CORES)
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        start, tail, first, total = b"", b"", 0.0, 0
        while chunk := connection.recv(1 << 20):
            total += len(chunk)
            if not first:
                start += chunk
                _, _, body = start.partition(b"\r\n\r\n")
                first = time.perf_counter() - started if body else 0.0
            tail = (tail + chunk[-64:])[-64:]
    seconds = time.perf_counter() - started
    whole = start.startswith(b"HTTP/1.1 200") and tail.removesuffix(b"\r\n0\r\n\r\n").endswith(b"]")
    return {
        "first_byte_ms": first * 1e3,
        "seconds": seconds,
        "megabytes": total / 1e6,
        "idle_mb": idle,
        "peak_mb": server.memory_mb("VmHWM"),
        "errors": 0 if whole else 1,
    }
