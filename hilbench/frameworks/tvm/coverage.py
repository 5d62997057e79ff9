"""The table of operators in docs/operators.md: python -m hilbench.frameworks.tvm.coverage > docs/operators.md

The registry of operators is its only source; tests hold the document to it, and the operators to TFLite Micro.
"""

from __future__ import annotations

from hilbench.frameworks.tvm.operators import OPERATORS

_HEAD = """\
# Operators of the tvm framework

`--framework=tvm` compiles these operators of TensorFlow Lite, for int8 and some for int16 activations. Each gives the
same bits as TensorFlow Lite Micro's reference kernels: the tests run every operator and type in this table against the
`tflite-micro` package, over random quantisations, random inputs and the extremes; functions of one int8 for all 256
values. A model with anything else is refused before a build, by the operator's name and index and the reason.

Of every activation there must be one scale and one zero point (int16: zero point 0), and shapes must be fixed. A model
whose inputs are float32 must be converted with full integer quantisation.

| operator | int8 | int16 | limits |
|---|---|---|---|
"""


def document() -> str:
    """Return the text of docs/operators.md."""
    rows = []
    for name, entry in sorted(OPERATORS.items()):
        marks = ("yes" if dtype in entry.dtypes else "-" for dtype in ("int8", "int16"))
        rows.append(f"| {' | '.join((name, *marks, entry.limits))} |\n".replace("|  |", "| |"))
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(document(), end="")
