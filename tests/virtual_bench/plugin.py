"""A pytest plug-in, `-p tests.virtual_bench.plugin`: that session sees the boards of the bench in its environment."""

from .enumeration import install

install()
