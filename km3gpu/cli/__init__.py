"""The command line: one thin file per command, which parses, calls, prints and exits."""
