"""`python -m wise <verb>`."""

from wise.cli import main

raise SystemExit(main())
