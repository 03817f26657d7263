"""Facts about the project that the release scripts share."""

import os
import tomllib
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A placeholder until the project has a repository; nothing is published there.
OWNER = "OWNER"
HOME = f"https://github.com/{OWNER}/kubectl-ds"


class Platform(NamedTuple):
    """A platform by its names in krew and Go (os, arch) and in Rust (target)."""

    os: str
    arch: str
    target: str

    @property
    def program(self):
        return "kubectl-ds.exe" if self.os == "windows" else "kubectl-ds"


PLATFORMS = [
    Platform("darwin", "amd64", "x86_64-apple-darwin"),
    Platform("darwin", "arm64", "aarch64-apple-darwin"),
    Platform("linux", "amd64", "x86_64-unknown-linux-musl"),
    Platform("linux", "arm64", "aarch64-unknown-linux-musl"),
    Platform("windows", "amd64", "x86_64-pc-windows-msvc"),
]


def platform_of(target):
    """Returns the platform of a Rust target."""
    for platform in PLATFORMS:
        if platform.target == target:
            return platform
    targets = ", ".join(platform.target for platform in PLATFORMS)
    raise SystemExit(f"{target} is not a target of a release; targets: {targets}")


def version():
    """Returns the version of Cargo.toml as a tag, for example v0.1.0."""
    with open(os.path.join(ROOT, "Cargo.toml"), "rb") as file:
        return "v" + tomllib.load(file)["package"]["version"]


def archive_name(platform):
    """Returns for example kubectl-ds_v0.1.0_linux_amd64.tar.gz."""
    ending = "zip" if platform.os == "windows" else "tar.gz"
    return f"kubectl-ds_{version()}_{platform.os}_{platform.arch}.{ending}"
