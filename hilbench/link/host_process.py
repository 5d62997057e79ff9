"""The child process of the target `host`: loads the model of an image and serves it on an inherited socket.

    python -m hilbench.link.host_process IMAGE --fd=N

An image is a zip of `manifest.json`, `program.txt` (the dotted name of a module) and `data/`. The module offers
`load(folder: Path) -> HostModel`, which gets the files of `data/` and must not need them later.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import socket
import sys
import tempfile
import zipfile
from pathlib import Path

from hilbench.errors import HilbenchError
from hilbench.link.device import Device, HostModel
from hilbench.targets.streams import SocketStream


def main() -> None:
    """Serve until the host closes the line. An error of the model goes to stderr, and ends with exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--fd", type=int, required=True)
    options = parser.parse_args()
    try:
        model, manifest = load(options.image)
    except HilbenchError as error:
        sys.exit(f"error: {error}")
    build_id = bytes.fromhex(json.loads(manifest)["build_id"])
    stream = SocketStream(socket.socket(fileno=options.fd))
    if Device(model, stream, build_id, manifest).serve():
        os.execv(sys.executable, sys.orig_argv)  # a reset: begin again as a new process, on the same socket


def load(image: Path) -> tuple[HostModel, bytes]:
    """Return the model in `image`, ready to run, and its manifest."""
    with zipfile.ZipFile(image) as archive, tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
        names = [name for name in archive.namelist() if name.startswith("data/")]
        archive.extractall(folder, names)
        program = importlib.import_module(archive.read("program.txt").decode().strip())
        model: HostModel = program.load(Path(folder) / "data")
        return model, archive.read("manifest.json")


if __name__ == "__main__":
    main()
