"""Hosts that are really booted, in containers, and what an agent's life on
each of them is. tests/hosts/run is the way in."""
