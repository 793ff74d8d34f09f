"""The figures as ratios: a line for the terminal, a table and a plot for `docs/benchmarks.md`, all as JSON."""

import json

from servers import ROOT

DOCUMENT = ROOT / "docs/benchmarks.md"
PLOT = ROOT / "docs/benchmarks.svg"
RESULTS = ROOT / "bench/results"
START, END = "<!-- what bench/run wrote -->", "<!-- until here -->"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
# Higher is better for a rate; for all else lower is.
MAIN_FIGURE = {"rate": "rate", "stream": "seconds", "start": "ready_ms", "log": "rate"}


def ratio(result: dict, peer: str) -> float | None:
    """How many times better the service is than the peer."""
    figures, key = result["figures"], MAIN_FIGURE[result["kind"]]
    if peer not in figures:
        return None
    ours, theirs = figures["marketsvc"][key]["median"], figures[peer][key]["median"]
    return ours / theirs if key == "rate" else theirs / ours


def times(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f} ×" if value < 10 else f"{value:.0f} ×"


def line(result: dict) -> str:
    shown = [f"{DATABASES[result['database']]:10} {result['title']:45}"]
    key = MAIN_FIGURE[result["kind"]]
    for name, figures in result["figures"].items():
        failed = f" {figures['errors']} FAILED" if figures["errors"] else ""
        shown.append(f"{name} {figures[key]['median']:.4g}{failed}")
    shown += [f"= {times(ratio(result, peer))} {peer}" for peer in ("sqlx", "fastapi") if peer in result["figures"]]
    return "  ".join(shown)


def spread(figure: dict) -> str:
    half = (figure["max"] - figure["min"]) / 2 / figure["median"] if figure["median"] else 0
    return f"{figure['median']:,.0f} ± {half:.0%}"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    aligned = ["---"] + ["--:"] * (len(header) - 1)
    return ["| " + " | ".join(cells) + " |" for cells in [header, aligned, *rows]] + [""]


def rates(results: list[dict], database: str) -> list[str]:
    last = "of pgbench" if database == "postgres" else "of the constant"
    peer = "pgbench" if database == "postgres" else "constant"
    header = [DATABASES[database], "marketsvc, per second", "sqlx by hand", "FastAPI", "to sqlx", "to FastAPI", last]
    rows = []
    for result in results:
        if result["kind"] == "rate" and result["database"] == database:
            figures = result["figures"]
            absolute = [spread(figures[name]["rate"]) for name in ("marketsvc", "sqlx", "fastapi")]
            ratios = [times(ratio(result, name)) for name in ("sqlx", "fastapi", peer)]
            rows.append([result["title"], *absolute, *ratios])
    return table(header, rows)


def streams(results: list[dict]) -> list[str]:
    header = ["stream", "peer", "first byte, ms", "in all, s", "MB sent", "idle, MB", "peak, MB", "in all, marketsvc is"]
    rows = []
    for result in (result for result in results if result["kind"] == "stream"):
        for name, figures in result["figures"].items():
            keys = (("first_byte_ms", 1), ("seconds", 2), ("megabytes", 0), ("idle_mb", 0), ("peak_mb", 0))
            values = [f"{figures[key]['median']:,.{digits}f}" for key, digits in keys]
            faster = "" if name == "marketsvc" else f"{ratio(result, name):.1f} × faster"
            title = f"{result['title']}, {DATABASES[result['database']]}"
            rows.append([title, name, *values, faster])
    return table(header, rows)


def starts(facts: dict) -> list[str]:
    header = ["start on a migrated SQLite database", "ready after, ms", "memory then, MB", "binary, MB"]
    rows = []
    binaries = {"marketsvc": facts["binary_mb"]["marketsvc"], "sqlx": facts["binary_mb"]["peer-sqlx"]}
    for result in (result for result in facts["results"] if result["kind"] == "start"):
        for name, figures in result["figures"].items():
            binary = f"{binaries[name]:.0f}" if name in binaries else ""
            rows.append([name, spread(figures["ready_ms"]), f"{figures['idle_mb']['median']:.0f}", binary])
    return table(header, rows)


def targets(results: list[dict]) -> list[str]:
    """What was aimed at, and the least that was reached anywhere."""
    rates = [result for result in results if result["kind"] == "rate"]
    long = [result for result in results if result["kind"] == "stream"]

    def least(peer: str, chosen: list[dict]) -> str:
        found = [(value, result) for result in chosen if (value := ratio(result, peer)) is not None]
        value, result = min(found, key=lambda pair: pair[0])
        return f"{times(value)} ({result['title']}, {DATABASES[result['database']]})"

    def of(database: str, *names: str) -> list[dict]:
        reads = [result for result in rates if not result["name"].startswith("place") and result["name"] != "welcome"]
        chosen = [result for result in rates if result["name"] in names] if names else reads
        return [result for result in chosen if result["database"] == database]

    def latency(kind: str, database: str) -> float:
        small, large = (of(database, f"{kind}-{size}") for size in ("10k", "1m"))
        return large[0]["figures"]["marketsvc"]["p50_ms"]["median"] / small[0]["figures"]["marketsvc"]["p50_ms"]["median"]

    def ours(key: str) -> float:
        return max(result["figures"]["marketsvc"][key]["median"] for result in long)

    hundred = [result for result in long if result["name"].endswith("100k")]
    above_idle = max(
        result["figures"]["marketsvc"]["peak_mb"]["median"] - result["figures"]["marketsvc"]["idle_mb"]["median"]
        for result in long
    )
    start = next(result for result in results if result["kind"] == "start")["figures"]["marketsvc"]
    slowest = max(latency(kind, database) for kind in ("page", "single") for database in DATABASES)
    rows = [
        ["reads against FastAPI, SQLite", "25 ×", least("fastapi", of("sqlite"))],
        ["reads against FastAPI, PostgreSQL", "12 ×", least("fastapi", of("postgres"))],
        ["totals of 10 orders against FastAPI", "30 ×", least("fastapi", of("sqlite", "totals-10") + of("postgres", "totals-10"))],
        ["placing on SQLite, 16 clients, against FastAPI", "8 ×", least("fastapi", of("sqlite", "place-16"))],
        ["100,000 customers or orders against FastAPI", "20 ×", least("fastapi", hundred)],
        ["first byte of a long answer", "20 ms", f"{ours('first_byte_ms'):.1f} ms"],
        ["peak memory above idle, up to 1,000,000 rows", "16 MB", f"{above_idle:.1f} MB"],
        ["each route against sqlx by hand", "0.9 ×", least("sqlx", rates)],
        ["latency out of 1,000,000 against out of 10,000", "1.3 ×", f"{slowest:.2f} ×"],
        ["start to first answer", "100 ms", f"{start['ready_ms']['median']:.0f} ms"],
        ["idle memory", "25 MB", f"{start['idle_mb']['median']:.0f} MB"],
    ]
    return table(["aim", "at least, or at most", "worst of all"], rows)


def text(facts: dict) -> str:
    machine, versions, settings = facts["machine"], facts["versions"], facts["settings"]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in ("commit", "rustc"))
    lines = [
        f"Measured on {facts['date']} at commit `{versions['commit']}` on {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}; {versions['rustc'].split(' (')[0]}, {listed}. "
        f"Medians of {settings['rounds']} rounds of {settings['seconds']} s; ± is half the spread.",
        "",
        *targets(facts["results"]),
        "![Requests per second](benchmarks.svg)",
        "",
        *rates(facts["results"], "sqlite"),
        *rates(facts["results"], "postgres"),
        *streams(facts["results"]),
        *starts(facts),
    ]
    for result in (result for result in facts["results"] if result["kind"] == "log"):
        share = result["figures"]["marketsvc, access log"]["rate"]["median"] / result["figures"]["marketsvc"]["rate"]["median"]
        lines += [f"With the access log on, as it is by default, {result['title'].split(' with')[0]} has {share:.2f} of its rate.", ""]
    return "\n".join(lines)


def plot(results: list[dict]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "marketsvc"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(13, 7), sharey=True, layout="constrained")
    for panel, database in zip(panels, DATABASES):
        chosen = [result for result in results if result["kind"] == "rate" and result["database"] == database]
        for offset, (name, colour) in enumerate((("marketsvc", "#b7410e"), ("sqlx", "#4c72b0"), ("fastapi", "#8c8c8c"))):
            places = [row + 0.27 * (offset - 1) for row in range(len(chosen))]
            values = [result["figures"][name]["rate"]["median"] for result in chosen]
            panel.barh(places, values, height=0.25, label=name, color=colour)
        panel.set_yticks(range(len(chosen)), [result["title"].replace("`", "") for result in chosen])
        panel.set_xscale("log")
        panel.set_title(DATABASES[database])
        panel.set_xlabel("requests per second of one core, logarithmic")
        panel.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    panels[0].legend(loc="lower right")
    figure.savefig(PLOT, metadata={"Date": None})


def write(facts: dict, quick: bool) -> None:
    RESULTS.mkdir(exist_ok=True)
    name = "quick" if quick else "full"
    (RESULTS / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    if quick:
        return
    before, rest = DOCUMENT.read_text().split(START)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{START}\n{text(facts)}{END}{after}")
    plot(facts["results"])
