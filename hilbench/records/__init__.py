"""Records: one JSON document a run, and the stores that keep them."""
