"""Podman where there is no Docker engine and no registry: bases made of Debian's packages, the very
Dockerfiles and compose file of docker/, images in a cache of their own.

``./run test docker`` sets it up and runs it in namespaces of its own (network, processes, mounts):
what is started there ends with them.  Nothing of the machine's own podman is read or written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.asterisk import CHECKOUT, LabError

FOLDER = Path(os.environ.get("VORONKA_CACHE", "/var/cache/voronka")) / "containers"
COMPOSE_FILE = CHECKOUT / "docker/compose.yaml"
BASES = {
    "trixie": "docker.io/library/debian:trixie-slim",
    "forky": "docker.io/library/debian:forky-slim",
}
"""What the Dockerfiles begin with, by Debian's name of it."""
BASE_FORM = "3"
"""Another value makes the bases anew."""
SLIM = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/groff/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
"""
"""What Debian's own slim images say to dpkg."""


@dataclass(frozen=True, slots=True)
class Image:
    """``stands_in``: made for the test, since the real one can't be pulled."""

    name: str
    dockerfile: str
    context: str
    stands_in: bool = False
    stages: tuple[str, ...] = ()
    """Kept as images, so that their layers are there for the next build."""


IMAGES = (
    Image("voronka/engine:latest", "docker/engine/Dockerfile", ".", stages=("build",)),
    Image("voronka/asterisk:22", "docker/asterisk/Dockerfile", "."),
    Image("docker.io/library/postgres:17", "Dockerfile", "tests/docker/postgres", stands_in=True),
    Image(
        "docker.io/prom/prometheus:v3.5.3", "Dockerfile", "tests/docker/prometheus", stands_in=True
    ),
)

CONF = f"""
[containers]
netns = "host"
# Without these a start fails where the machine's own limits are low.
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{FOLDER}/run/libpod"
[network]
network_backend = "netavark"
"""
STORAGE = f"""
[storage]
driver = "overlay"
graphroot = "{FOLDER}/storage"
runroot = "{FOLDER}/run/storage"
"""


async def call(*command: str, env: Mapping[str, str] | None = None, limit_s: float = 60.0) -> str:
    """What the command said.  Raises LabError when it fails, or takes longer than ``limit_s``."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=CHECKOUT,
    )
    try:
        async with asyncio.timeout(limit_s):
            output, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise LabError(f"{' '.join(command)}: not done in {limit_s:g} s") from None
    if process.returncode != 0:
        said = (output + complaints).decode(errors="replace")[-6000:]
        raise LabError(f"{' '.join(command)}: exit code {process.returncode}\n{said}")
    return output.decode(errors="replace")


async def podman(*words: str, limit_s: float = 60.0) -> str:
    """``podman`` with these words."""
    return await call("podman", *words, limit_s=limit_s)


async def exists(image: str) -> bool:
    """There is such an image already."""
    try:
        await podman("image", "exists", image)
    except LabError:
        return False
    return True


# --- bases ----------------------------------------------------------------------------------------


async def _base(suite: str, image: str, mirror: str) -> None:
    """Debian's minimum, with this machine's own certificates, so that apt and pip reach what this
    machine reaches.  None of that is in the Dockerfiles."""
    label = f"voronka.base={BASE_FORM}"
    form = '{{index .Labels "voronka.base"}}'
    if await exists(image):
        found = await podman("image", "inspect", "--format", form, image)
        if found.strip() == BASE_FORM:
            return
    tar = FOLDER / f"{suite}.tar"
    pip_conf = FOLDER / "pip.conf"
    pip_conf.write_text(await _pip_conf())
    slim = FOLDER / "slim"
    slim.write_text(SLIM)
    await call(
        "mmdebstrap", "--mode=root", "--variant=minbase", "--include=ca-certificates",
        '--aptopt=Acquire::Languages "none"',
        # Of a testing Debian, or on a machine whose clock is not the mirror's.
        '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::Check-Date "false"',
        '--customize-hook=cp -r /usr/local/share/ca-certificates "$1/usr/local/share/"',
        '--customize-hook=chroot "$1" update-ca-certificates',
        f'--customize-hook=cp {pip_conf} "$1/etc/pip.conf"',
        f'--customize-hook=cp {slim} "$1/etc/dpkg/dpkg.cfg.d/slim"',
        # Left there, so that not every image has to fetch them again.
        "--skip=cleanup/apt/lists",
        suite, str(tar), mirror,
        limit_s=300.0,
    )  # fmt: skip
    try:
        await podman("import", "--change", f"LABEL {label}", str(tar), image)
    finally:
        tar.unlink()


async def _pip_conf() -> str:
    """Where this machine's pip gets packages from, if not from PyPI."""
    text = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
    with contextlib.suppress(LabError):
        index = await call(sys.executable, "-m", "pip", "config", "get", "global.index-url")
        text += f"index-url = {index.strip()}\n"
    return text


async def _build(image: Image) -> None:
    context = CHECKOUT / image.context
    dockerfile = (CHECKOUT if image.context == "." else context) / image.dockerfile
    for tag, target in (*((f"{image.name}-{one}", one) for one in image.stages), (image.name, "")):
        await call(
            "podman", "build", "--network", "host", "--pull=never", "--format", "docker",
            "--tag", tag, "--target", target, "--file", str(dockerfile), str(context),
            env={"BUILDAH_ISOLATION": "chroot"},
            limit_s=600.0,
        )  # fmt: skip


async def build(mirror: str) -> None:
    """All images, those of ours from what the checkout holds now."""
    await asyncio.gather(*(_base(suite, image, mirror) for suite, image in BASES.items()))
    await asyncio.gather(*(_build(image) for image in IMAGES))
    await podman("image", "prune", "--force")
    forget_cgroups(())


# --- compose --------------------------------------------------------------------------------------


class Compose:
    """The compose file as a project of its own; ``down`` leaves nothing of it."""

    def __init__(self, project: str, env: Mapping[str, str]) -> None:
        self._project = project
        self._env = dict(env)
        self._ids: list[str] = []

    async def up(self, *services: str) -> None:
        """Start these from the images that are there."""
        await self._compose("up", "--detach", "--no-build", *services)

    async def stop(self, service: str) -> None:
        """As an administrator stops one."""
        await self._compose("stop", service)

    async def execute(self, service: str, *command: str) -> str:
        """A command in the running container."""
        return await podman("exec", self._container(service), *command)

    async def healthy(self, service: str, deadline_s: float = 40.0) -> None:
        """Until its own health check passes: without systemd, podman never fires it by itself."""
        said = ""
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    try:
                        await podman("healthcheck", "run", self._container(service))
                    except LabError as error:
                        said = str(error)
                        await asyncio.sleep(0.3)
                    else:
                        return
        except TimeoutError:
            raise LabError(f"{service} is not healthy: {said}\n{await self.log(service)}") from None

    async def inspect(self, service: str, form: str) -> str:
        """A fact about its container, as a Go template has it."""
        return (await podman("inspect", "--format", form, self._container(service))).strip()

    async def log(self, service: str) -> str:
        """What its process has said."""
        with contextlib.suppress(LabError):
            # A container's two streams come as ours.
            return await call(
                "sh", "-c", 'exec podman logs --tail 60 "$1" 2>&1', "sh", self._container(service)
            )
        return ""

    async def down(self) -> None:
        """Containers, volumes, pods, control groups: all gone."""
        ids = await podman("ps", "--all", "--quiet", "--no-trunc")
        with contextlib.suppress(LabError):  # it can't remove what crashes at this moment
            await self._compose("down", "--volumes")
        await podman("pod", "rm", "--all", "--force", "--time", "1")
        await podman("rm", "--all", "--force", "--time", "1")
        await podman("volume", "rm", "--all", "--force")
        for _ in range(20):  # a container's watcher ends a moment after it
            if forget_cgroups(ids.split()):
                break
            await asyncio.sleep(0.1)

    def _container(self, service: str) -> str:
        return f"{self._project}_{service}_1"

    async def _compose(self, *words: str) -> str:
        # Bounded: podman-compose waits for ever for one who depends on a container that died.
        return await call(
            str(FOLDER / "venv/bin/podman-compose"),
            "-p", self._project, "-f", str(COMPOSE_FILE), *words,
            env=self._env,
        )  # fmt: skip


def forget_cgroups(ids: Sequence[str]) -> bool:
    """Podman leaves the control groups of containers that it removed by force, and their parent.

    Whether all are gone: another podman's are not ours to remove.
    """
    for parent in Path("/sys/fs/cgroup").glob("*/libpod_parent"):
        ours = [parent / f"libpod-{kind}{one}" for one in ids for kind in ("", "conmon-")]
        for group in (*ours, parent / "conmon", parent):
            with contextlib.suppress(OSError):  # not there, or another podman's and in use
                group.rmdir()
    return not any(Path("/sys/fs/cgroup").glob("*/libpod_parent"))


def write_configuration() -> None:
    """For CONTAINERS_CONF and CONTAINERS_STORAGE_CONF."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "containers.conf").write_text(CONF)
    (FOLDER / "storage.conf").write_text(STORAGE)


def main() -> None:
    """``configure``; ``build MIRROR``."""
    match sys.argv[1:]:
        case ["configure"]:
            write_configuration()
        case ["build", mirror]:
            try:
                asyncio.run(build(mirror))
            except LabError as error:
                sys.exit(f"containers: {error}")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
