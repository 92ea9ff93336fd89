"""The shell: engine, wiring, configuration, broker, web, commands.

Here alone are IO, clocks and randomness.
"""
