"""How often what kills is done: a part of it in `make test`, all of it in `make soak`."""

import os

IS_SOAK = "KILLS" in os.environ
EVERY = 1 if IS_SOAK else 5
"""Each so-manieth write is one at which somebody dies."""
