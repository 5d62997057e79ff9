"""The table of operators says what is so: it is generated, and every row of it is tested against TFLite Micro."""

import re

from hilbench.frameworks.tvm import coverage
from hilbench.frameworks.tvm.operators import OPERATORS

from .conftest import ROOT


def test_the_document_is_what_the_registry_generates():
    shown = (ROOT / "docs" / "operators.md").read_text()
    assert shown == coverage.document(), "python -m hilbench.frameworks.tvm.coverage > docs/operators.md"


def test_the_table_has_a_row_for_every_operator():
    rows = re.findall(r"^\| ([A-Z0-9_]+) \| (yes|-) \| (yes|-) \|", coverage.document(), re.MULTILINE)
    assert [name for name, *_ in rows] == sorted(OPERATORS)
    for name, *marks in rows:
        assert (
            tuple(d for d, mark in zip(("int8", "int16"), marks, strict=True) if mark == "yes")
            == OPERATORS[name].dtypes
        )
