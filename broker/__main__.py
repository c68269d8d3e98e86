"""`python -m ottla.broker` is the same as `ottla`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
