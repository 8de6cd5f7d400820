"""``python -m propolis`` is the ``propolis`` command."""

from propolis.cli import main

if __name__ == "__main__":
    main()
