"""Images: a framework's sources, a port and the agent become one file with its manifest inside."""
