"""`python -m similitude.cli` is the command line."""

from __future__ import annotations

import sys

from similitude.cli import main

sys.exit(main())
