"""Modules without dependencies on the rest: errors, files, paths, ranges of options, command-line arguments, plots."""
