"""The one name of a farm's coordinator: by it, two runs that were told of it differently know it for the same."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from hilbench.targets.addresses import one_name

DEFAULT_PORT = 20408
"""As labgrid's own client has it."""
_PROXY = "LG_PROXY"


def coordinator_name(coordinator: str) -> str:
    """Return `ADDRESS:PORT` of the coordinator `HOST[:PORT]`.

    Of one behind a proxy (LG_PROXY), where names are others', the host as it was written.
    """
    try:
        parts = urlsplit(f"//{coordinator}")
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError:
        return coordinator
    proxy = os.environ.get(_PROXY)
    return f"{host}:{port} over {proxy}" if proxy else one_name(host, port)
