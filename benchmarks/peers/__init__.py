"""The peers: each a program of its own, fed and timed in the same way."""
