"""`python -m scivis` is the command `scivis`."""

import sys

from ._cli import main

sys.exit(main())
