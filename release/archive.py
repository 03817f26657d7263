#!/usr/bin/env python3
"""The archive of one platform, ready to be published: the program, its licence, completions and man pages.

    release/archive TARGET [--binary FILE] [--cargo 'cargo zigbuild'] [--into dist]

Builds for the Rust target TARGET, unless --binary names a program that is there already, and writes

    dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz           (.zip for Windows)
    dist/kubectl-ds_v0.1.0_linux_amd64.tar.gz.sha256

The same content gives the same archive, byte by byte. Needs cargo.
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
    parser.add_argument("target", help="x86_64-unknown-linux-musl")
    parser.add_argument("--binary", help="pack this program instead of building one")
    parser.add_argument("--cargo", default="cargo build", help="how to build")
    parser.add_argument("--into", default=os.path.join(ROOT, "dist"), help="the folder of the archives")
    options = parser.parse_args()

    platform = platform_of(options.target)
    if options.binary and not os.path.isfile(options.binary):
        raise SystemExit(f"{options.binary} is no file: --binary names a program that was built")
    if not options.cargo.split():
        raise SystemExit("--cargo is empty: 'cargo build', or 'cargo zigbuild'")
    binary = options.binary or built(options.target, options.cargo, platform.program)
    with tempfile.TemporaryDirectory() as pages:
        subprocess.run(["cargo", "run", "--quiet", "--locked", "--example", "man-pages", "--", pages], cwd=ROOT, check=True)
        files = list(content(binary, platform.program, pages))
    os.makedirs(options.into, exist_ok=True)
    path = os.path.join(options.into, archive_name(platform))
    (zipped if path.endswith(".zip") else tarred)(path, files)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(path + ".sha256", "w", newline="\n") as file:
        file.write(f"{digest}  {os.path.basename(path)}\n")
    print(path)


def built(target, cargo, program):
    """Builds the program and tells where it is."""
    subprocess.run([*cargo.split(), "--release", "--locked", "--target", target], cwd=ROOT, check=True)
    folder = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(folder, target, "release", program)


def content(binary, program, pages):
    """Name in the archive, bytes, and whether it is run, in the order of the names."""
    files = {program: (binary, True)}
    for name in ["LICENSE", "README.md", "CHANGELOG.md"]:
        files[name] = (os.path.join(ROOT, name), False)
    for folder, source in [("completions", os.path.join(ROOT, "completions")), ("man", pages)]:
        for name in os.listdir(source):
            files[f"{folder}/{name}"] = (os.path.join(source, name), name.startswith("kubectl_complete-"))
    for name, (path, is_run) in sorted(files.items()):
        with open(path, "rb") as file:
            yield name, file.read(), is_run


def tarred(path, files):
    with open(path, "wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data, is_run in files:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o755 if is_run else 0o644
                archive.addfile(entry, io.BytesIO(data))


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, is_run in files:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if is_run else 0o644) << 16
            archive.writestr(entry, data)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(map(str, error.cmd))}: exit status {error.returncode}")
    except OSError as error:
        raise SystemExit(str(error))
