"""The way to a chip through a debug probe: pyOCD, in a process of its own that can be killed at any time.

`client` is our side, `server` is that process; `wire` is what they say to each other.
"""
