"""`python -m scivis` is the command `scivis`."""

import sys

from .cli import main

sys.exit(main())
