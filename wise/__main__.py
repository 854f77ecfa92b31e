"""`python -m wise <verb>`."""

import sys

from wise.cli import main
from wise.warm import hand_over

status = hand_over("wise.cli", sys.argv[1:])
raise SystemExit(main() if status is None else status)
