"""A way to an sshd that can be cut anywhere: a ProxyCommand that holds what passes, after a chosen number of bytes.

    relay.py ADDRESS PORT CONTROL

While the file CONTROL exists, it holds one JSON object: {"up": BYTES, "down": BYTES}, how much may pass in each
direction from now on.  What is held is not lost: as on a link that is cut and healed, it passes once the file is gone.
"""

import json
import os
import select
import socket
import sys
from pathlib import Path

LOOK_EVERY = 0.02  # seconds
CHUNK = 4096


def main(address: str, port: str, control: Path) -> None:
    """Pass bytes on until either side ends."""
    way = socket.create_connection((address, int(port)), 20)
    way.setblocking(True)
    ends = {"up": (0, way.fileno()), "down": (way.fileno(), 1)}
    left: dict[str, int] = {}
    version = None
    while True:
        told = control.stat().st_mtime_ns if control.exists() else None
        if told != version:
            version = told
            left = json.loads(control.read_text()) if told is not None else {}
        passing = [name for name in ends if left.get(name, CHUNK) > 0]
        ready, _, _ = select.select([ends[name][0] for name in passing], [], [], LOOK_EVERY)
        for name in passing:
            source, goal = ends[name]
            if source in ready:
                data = os.read(source, min(CHUNK, left.get(name, CHUNK)))
                if not data:
                    return
                if name in left:
                    left[name] -= len(data)
                while data:
                    data = data[os.write(goal, data) :]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
