"""Power meters: what they offer, the drivers, and how their samples become energy per inference."""
