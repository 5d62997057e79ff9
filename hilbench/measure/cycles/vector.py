"""The vector instructions, MVE (Helium): told apart as loads, stores, predicates and the rest (DDI0553 C2.4).

Their registers are not decoded: the Cortex-M55 model has no use for them.
"""

from __future__ import annotations

from hilbench.measure.cycles.encoding import Row
from hilbench.measure.cycles.instruction import Kind

ROWS = [
    Row("11110 0000 0 .. nnnn 1110 1000 0000 0001", Kind.VECTOR_PREDICATE, "", "n"),  # VCTP
    Row("1111111000110001 0000111101001101", Kind.VECTOR_PREDICATE),  # VPNOT
    Row("111111100.110001 ...0111101001101", Kind.VECTOR_PREDICATE),  # VPST
    Row("11101100000. .... ... 0 1111 000 . ....", Kind.VECTOR),  # VMOV of two lanes
    Row("111.110 .... 1 nnnn .... 111 . ........", Kind.VECTOR_LOAD, address="n", words=4),
    Row("111.110 .... 0 nnnn .... 111 . ........", Kind.VECTOR_STORE, address="n", words=4),
    Row("1111110. .... .... .... 1000 .1.0 ....", Kind.VECTOR),  # VCADD, VCMLA
    Row("111.1111 ........ ................", Kind.VECTOR),
    Row("111.1110 .... .... .... 111 . ........", Kind.VECTOR),
]
