"""What exists: boards, suites, and the models and samples that they name. Typed, checked, errors with file and line."""

from hilbench.catalog.find import Choice, Files, board, boards, model_folders, resolve, suites
from hilbench.catalog.load import load_board, load_suite
from hilbench.catalog.stand_in import stood_in

__all__ = [
    "Choice",
    "Files",
    "board",
    "boards",
    "load_board",
    "load_suite",
    "model_folders",
    "resolve",
    "stood_in",
    "suites",
]
