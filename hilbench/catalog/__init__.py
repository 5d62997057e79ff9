"""What exists: boards, suites, and the models and samples that they name. Typed, checked, errors with file and line."""
