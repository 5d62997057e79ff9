"""hilbench: hardware-in-the-loop benchmarks for TinyML, with numbers that say where they came from.

Importing this package loads nothing heavy; start at `hilbench.bench.run` or the pytest plug-in.
"""

__version__ = "0.1.0"
