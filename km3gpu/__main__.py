"""``python -m km3gpu``: the command line, for a Python that has the package and a PATH that does not."""

from km3gpu.cli.main import main

if __name__ == "__main__":
    main()
