"""Boards with boot loaders, for tests: each kind's end of the wire, and a board that runs what was loaded in QEMU."""
