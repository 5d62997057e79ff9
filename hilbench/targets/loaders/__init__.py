"""Boot loaders: one module for each kind, behind `Loader` in `base.py`."""
