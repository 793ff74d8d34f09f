"""Checks the Dockerfile, .dockerignore and compose.yaml against the repository, for .ci/container.

    python3 .ci/image.py OUT

Copies the build context into OUT/context and writes the settings of the image into files of OUT, as words that
end with NUL. Exits with an error message if a check fails.
"""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent

# What the entry point of the image needs before it becomes the user postgres.
DATABASE_CAPABILITIES = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


def check(condition, error):
    if not condition:
        sys.exit(f"error: {error}")


def stages(text):
    """Returns each stage as its base image and its instructions as (name, arguments)."""
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
    check(found, f"the Dockerfile has no {name}")
    return found[-1]


def ignored():
    """Returns a predicate for paths that .dockerignore excludes: the last rule that matches a path or a parent wins."""
    rules = []
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.lstrip("!"))
            pattern = pattern.replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            rules.append((re.compile(pattern), not line.startswith("!")))

    def is_ignored(path):
        paths = [path, *path.parents[:-1]]
        excluded = False
        for rule, excludes in rules:
            if any(rule.fullmatch(str(candidate)) for candidate in paths):
                excluded = excludes
        return excluded

    return is_ignored


def pinned(image):
    """Returns name and digest of an image; the digest is required."""
    name, _, digest = image.partition("@")
    check(re.fullmatch(r"sha256:[0-9a-f]{64}", digest), f"image {name} must be fixed by digest")
    return name, digest


def copy_context(stage, context):
    is_ignored = ignored()
    for copied in values(stage, "COPY"):
        *sources, target = copied.split()
        for source in sources:
            path = ROOT / source
            check(path.exists(), f"the Dockerfile copies {source}, which does not exist")
            check(
                Path(target) in (Path("."), Path(source)),
                f"the Dockerfile copies {source} to another path",
            )
            files = path.rglob("*") if path.is_dir() else [path]
            files = [file.relative_to(ROOT) for file in files if file.is_file()]
            files = [file for file in files if not is_ignored(file)]
            check(files, f"the Dockerfile copies {source}, which .dockerignore excludes")
            for file in files:
                (context / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, context / file)


def write(out, name, words):
    (out / name).write_text("".join(f"{word}\0" for word in words))


def read_dockerfile(out):
    build, image = stages((ROOT / "Dockerfile").read_text())
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]

    (rust, _), (debian, _) = pinned(build[0]), pinned(image[0])
    version, slim, release = rust.removeprefix("rust:").split("-")
    check(version == package["rust-version"], "the Rust image differs from rust-version in Cargo.toml")
    # A program needs at least the version of the C library that it was built with.
    check((slim, debian) == ("slim", f"debian:{release}-slim"), "the stages use different Debian releases")
    labels = last(image, "LABEL")
    for name, value in [("version", package["version"]), ("licenses", package["license"])]:
        check(f'.{name}="{value}"' in labels, f"label {name} must be {value}")

    copy_context(build, out / "context")
    compile = re.search(r"cargo auditable build[^&]*", last(build, "RUN"))
    check(compile, "the build stage does not run cargo auditable build")
    write(out, "compile", compile[0].split())
    (_, program) = last(image, "COPY").rsplit(maxsplit=1)
    write(out, "program", [program])

    write(out, "environment", [word for line in values(image, "ENV") for word in line.split()])
    write(out, "command", json.loads(last(image, "ENTRYPOINT")) + json.loads(last(image, "CMD")))
    write(out, "entrypoint", json.loads(last(image, "ENTRYPOINT")))
    write(out, "healthcheck", json.loads(last(image, "HEALTHCHECK").partition("CMD")[2]))
    write(out, "signal", [last(image, "STOPSIGNAL")])
    user = last(image, "USER")
    # A numeric user lets a container engine verify that it is not root.
    check(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "USER must be numeric and not root")
    write(out, "user", [user])
    volume = last(image, "VOLUME")
    owner, group = user.split(":")
    options = f"--owner {owner} --group {group} --mode 0700 {volume}"
    check(options in last(image, "RUN"), "the volume must belong to the user")
    write(out, "volume", [volume])
    port = last(image, "EXPOSE")
    write(out, "port", [port])
    return port


def read_compose(out, port):
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    service, db = services["marketsvc"], services["db"]
    write(out, "composed", service["command"])
    write(out, "settings", service["environment"])
    check(service["environment"]["MARKETSVC_LISTEN"] == f"0.0.0.0:{port}", "MARKETSVC_LISTEN and EXPOSE differ")
    check(all(at.startswith("127.0.0.1:") for at in service["ports"]), "ports must be bound to 127.0.0.1")
    check(service["read_only"], "the service must be read-only")
    for name, container in services.items():
        check(container.get("cap_drop") == ["ALL"], f"{name} must drop all capabilities")
        check("no-new-privileges:true" in container.get("security_opt", []), f"{name} must set no-new-privileges")
        check(re.fullmatch(r"[1-9]\d*[mg]", str(container.get("mem_limit"))), f"{name} must have a memory limit")
        check(container.get("pids_limit", 0) > 0, f"{name} must have a process limit")
    check("cap_add" not in service, "the service needs no capabilities")
    check(set(db.get("cap_add", [])) <= DATABASE_CAPABILITIES, "the database needs no further capabilities")
    check(service["depends_on"]["db"]["condition"] == "service_healthy", "the service must wait for a healthy database")
    pinned(db["image"])
    check("pg_isready" in db["healthcheck"]["test"], "the health check of the database must use pg_isready")
    check("ports" not in db, "the database must not publish ports")
    for secret in (service["environment"]["DATABASE_URL"], db["environment"]["POSTGRES_PASSWORD"]):
        check("${POSTGRES_PASSWORD:?" in secret, "the password must be a required variable")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    read_compose(out, read_dockerfile(out))
