"""The commands, a file for each family. They read options, call what does the work, and print.

What is slow to import is imported where it is used, so that `--help` answers at once.
"""
