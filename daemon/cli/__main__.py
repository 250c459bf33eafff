"""`python -m daemon.cli`: the command `lantai` of this very installation."""

from daemon.cli.main import main

main()
