"""Benchmarks: keyledger beside hand-written SQL that writes and reads the very same rows, as ratios.

``python -m benchmarks`` from the root of the repository; ``--help`` says what it takes.
"""
