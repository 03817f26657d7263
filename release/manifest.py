#!/usr/bin/env python3
"""The manifest by which krew installs a release.

    release/manifest dist > krew-manifest.yaml                  from the five archives of a release
    release/manifest --unreleased > krew-manifest.yaml          as it stands in the repository between releases

An archive that is missing is an error. With --unreleased it has the sum 0000…, which no download can have, so nothing
can be installed by it. --from-url puts the archives at another address than the release's.
"""

import argparse
import hashlib
import os

from project import HOME, PLATFORMS, archive_name, version

HEAD = """\
# Made by release/manifest; do not edit.
"""
UNRELEASED = """\
# There is no release yet. The owner in the addresses is a placeholder, and the sums are zeros until release/manifest
# takes them from a release's archives.
"""
BODY = """\
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: ds
spec:
  version: {version}
  homepage: {home}
  shortDescription: Show why nodes lack their DaemonSet pods
  description: |
    DaemonSets, node by node: which nodes run the daemon pod, which should and
    don't, which shouldn't and do, and why. It computes what the DaemonSet
    controller, the API server's admission and the scheduler decide, and says
    what holds a pod or a rollout, with evidence and what to do about it.

    Works on a live cluster, and on one that was saved with kubectl get.
  caveats: |
    Nodes and pods must be readable for it to tell much; what may not be read
    is said to be unknown. The ClusterRole that each command needs:
    {home}#rights

    For names to complete behind kubectl ds, put one more file on your PATH:
      kubectl ds completion kubectl > ~/.local/bin/kubectl_complete-ds
      chmod +x ~/.local/bin/kubectl_complete-ds
  platforms:
"""
PLATFORM = """\
  - selector:
      matchLabels:
        os: {platform.os}
        arch: {platform.arch}
    uri: {url}/{archive}
    sha256: "{digest}"
    bin: {platform.program}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="where the archives are")
    parser.add_argument("--unreleased", action="store_true", help="archives may be missing")
    parser.add_argument("--from-url", default=f"{HOME}/releases/download/{version()}", help="where they will be")
    options = parser.parse_args()

    digests = [digest(options.folder, archive_name(platform), options.unreleased) for platform in PLATFORMS]
    text = HEAD + (UNRELEASED if options.unreleased else "") + BODY.format(version=version(), home=HOME)
    for platform, sha256 in zip(PLATFORMS, digests):
        text += PLATFORM.format(platform=platform, archive=archive_name(platform), url=options.from_url, digest=sha256)
    print(text, end="")


def digest(folder, archive, may_be_missing):
    path = os.path.join(folder, archive) if folder else None
    if path and os.path.exists(path):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    if may_be_missing:
        return "0" * 64
    if not folder:
        raise SystemExit("name the folder of the archives, or give --unreleased")
    raise SystemExit(f"{archive} is missing in {folder}: a release has all platforms, or none")


if __name__ == "__main__":
    main()
