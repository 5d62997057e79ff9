"""Frames over a stream of bytes: what host and device say to each other, and how nothing of it gets lost."""
