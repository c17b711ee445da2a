"""``python -m cbackprop``: the command line."""

import sys

from cbackprop.cli import main

if __name__ == "__main__":
    sys.exit(main())
