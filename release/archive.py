#!/usr/bin/env python3
"""Writes the release archive of one platform: the program, its license, completions and man pages.

    release/archive.py TARGET [--binary FILE] [--cargo 'cargo zigbuild'] [--into dist]

Builds the program for the Rust target TARGET, unless --binary names a built program, and writes

    dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz           (.zip for Windows)
    dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz.sha256

The same files give the same archive, byte for byte. Needs cargo.
"""

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
import zipfile

from project import ROOT, archive_name, platform_of


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="Rust target, for example x86_64-unknown-linux-musl")
    parser.add_argument("--binary", help="pack this program instead of building one")
    parser.add_argument("--cargo", default="cargo build", help="command that builds the program")
    parser.add_argument("--into", default=os.path.join(ROOT, "dist"), help="directory of the archives")
    options = parser.parse_args()

    platform = platform_of(options.target)
    if options.binary and not os.path.isfile(options.binary):
        raise SystemExit(f"cannot pack {options.binary}: no such file; pass a built program with --binary")
    if not options.cargo.split():
        raise SystemExit("--cargo must not be empty; pass for example 'cargo build' or 'cargo zigbuild'")
    binary = options.binary or build(options.target, options.cargo, platform.program)
    with tempfile.TemporaryDirectory() as pages:
        subprocess.run(["cargo", "xtask", "man", pages], cwd=ROOT, check=True)
        files = list(contents(binary, platform.program, pages))
    os.makedirs(options.into, exist_ok=True)
    path = os.path.join(options.into, archive_name(platform))
    (write_zip if path.endswith(".zip") else write_tar)(path, files)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(path + ".sha256", "w", newline="\n") as file:
        file.write(f"{digest}  {os.path.basename(path)}\n")
    print(path)


def build(target, cargo, program):
    """Builds the program and returns its path."""
    subprocess.run([*cargo.split(), "--release", "--locked", "--target", target], cwd=ROOT, check=True)
    target_dir = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target_dir, target, "release", program)


def contents(binary, program, pages):
    """Yields the name in the archive, the bytes, and whether the file is executable, sorted by name."""
    files = {program: (binary, True)}
    for name in ["LICENSE", "README.md", "CHANGELOG.md"]:
        files[name] = (os.path.join(ROOT, name), False)
    for directory, source in [("completions", os.path.join(ROOT, "completions")), ("man", pages)]:
        for name in os.listdir(source):
            files[f"{directory}/{name}"] = (os.path.join(source, name), name.startswith("kubectl_complete-"))
    for name, (path, executable) in sorted(files.items()):
        with open(path, "rb") as file:
            yield name, file.read(), executable


def write_tar(path, files):
    with (
        open(path, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, data, executable in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if executable else 0o644
            archive.addfile(entry, io.BytesIO(data))


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, executable in files:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if executable else 0o644) << 16
            archive.writestr(entry, data)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(map(str, error.cmd))} failed: exit status {error.returncode}") from error
    except OSError as error:
        raise SystemExit(str(error)) from error
