"""``python -m limbeck``: the command line, where the script ``limbeck`` is not on the path."""

from limbeck.cli.app import main

if __name__ == "__main__":
    main()
