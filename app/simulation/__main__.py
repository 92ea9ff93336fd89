"""`python -m springtide.app.simulation`."""

from __future__ import annotations

import sys

from springtide.app.simulation.run import main

sys.exit(main())
