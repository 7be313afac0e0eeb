"""`python -m starflow_core.cli`, where the command itself is not on the path."""

import sys

from .main import main

sys.exit(main())
