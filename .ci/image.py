"""What the Dockerfile, .dockerignore and compose.yaml say, held against the repository, for .ci/container.

    python3 .ci/image.py OUT

Refuses what cannot work, copies into OUT/context what the image would be built from, and writes what the
image would run into files of OUT: each of its words ends with NUL.
"""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def check(holds, fault):
    if not holds:
        sys.exit(f"error: {fault}")


def stages(text):
    """Each stage: what it starts from, and its instructions as (NAME, rest)."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", "", text)
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append((rest.split()[0], []))
        else:
            found[-1][1].append((name, rest.strip()))
    return found


def values(stage, name):
    return [rest for known, rest in stage[1] if known == name]


def last(stage, name):
    found = values(stage, name)
    check(found, f"the image has no {name}")
    return found[-1]


def ignored():
    """Whether a path stays out of the build: of the rules that match it or a directory above, the last decides."""
    rules = []
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.lstrip("!"))
            pattern = pattern.replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            rules.append((re.compile(pattern), not line.startswith("!")))

    def is_ignored(path):
        paths = [path, *path.parents[:-1]]
        verdict = False
        for rule, out in rules:
            if any(rule.fullmatch(str(one)) for one in paths):
                verdict = out
        return verdict

    return is_ignored


def copy_context(stage, context):
    is_ignored = ignored()
    for copied in values(stage, "COPY"):
        *sources, target = copied.split()
        for source in sources:
            path = ROOT / source
            check(path.exists(), f"the Dockerfile copies {source}, which is not there")
            check(
                Path(target) in (Path("."), Path(source)),
                f"{source} would not be at its place in the build",
            )
            files = path.rglob("*") if path.is_dir() else [path]
            files = [file.relative_to(ROOT) for file in files if file.is_file()]
            files = [file for file in files if not is_ignored(file)]
            check(files, f"the Dockerfile copies {source}, which .dockerignore keeps out")
            for file in files:
                (context / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, context / file)


def write(out, name, words):
    (out / name).write_text("".join(f"{word}\0" for word in words))


def read_dockerfile(out):
    build, image = stages((ROOT / "Dockerfile").read_text())
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]

    version, slim, release = build[0].removeprefix("rust:").split("-")
    check(version == package["rust-version"], "the image is not built with rust-version")
    # A program does not run on an older C library than it was built with.
    check((slim, image[0]) == ("slim", f"debian:{release}-slim"), "two releases of Debian")
    labels = last(image, "LABEL")
    for name, value in [("version", package["version"]), ("licenses", package["license"])]:
        check(f'.{name}="{value}"' in labels, f"the label {name} is not {value}")

    copy_context(build, out / "context")
    compile = re.search(r"cargo build[^&]*", last(build, "RUN"))
    check(compile, "the build stage does not run cargo build")
    write(out, "compile", compile[0].split())
    (_, program) = last(image, "COPY").rsplit(maxsplit=1)
    write(out, "program", [program])

    write(out, "environment", [word for line in values(image, "ENV") for word in line.split()])
    write(out, "command", json.loads(last(image, "ENTRYPOINT")) + json.loads(last(image, "CMD")))
    write(out, "entrypoint", json.loads(last(image, "ENTRYPOINT")))
    write(out, "healthcheck", json.loads(last(image, "HEALTHCHECK").partition("CMD")[2]))
    write(out, "signal", [last(image, "STOPSIGNAL")])
    user = last(image, "USER")
    # By a name nobody could tell from outside that it is not root.
    check(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "the user is no number above 0")
    write(out, "user", [user])
    volume = last(image, "VOLUME")
    owner, group = user.split(":")
    made = f"--owner {owner} --group {group} --mode 0700 {volume}"
    check(made in last(image, "RUN"), "the volume does not belong to the user")
    write(out, "volume", [volume])
    port = last(image, "EXPOSE")
    write(out, "port", [port])
    return port


def read_compose(out, port):
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    service, db = services["marketsvc"], services["db"]
    write(out, "composed", service["command"])
    write(out, "settings", service["environment"])
    check(service["environment"]["MARKETSVC_LISTEN"] == f"0.0.0.0:{port}", "another port")
    check(all(at.startswith("127.0.0.1:") for at in service["ports"]), "ports open to others")
    check(service["read_only"] and service["cap_drop"] == ["ALL"], "the service could do more")
    check("no-new-privileges:true" in service["security_opt"], "the service could become more")
    check(service["depends_on"]["db"]["condition"] == "service_healthy", "nobody waits")
    check("pg_isready" in db["healthcheck"]["test"], "nobody knows when the database is there")
    check("ports" not in db, "the database is open to others")
    for secret in (service["environment"]["DATABASE_URL"], db["environment"]["POSTGRES_PASSWORD"]):
        check("${POSTGRES_PASSWORD:?" in secret, "the password does not come from outside")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    read_compose(out, read_dockerfile(out))
