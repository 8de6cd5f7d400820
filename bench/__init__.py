"""Benchmarks: ``python -m bench.NAME``. Each is honest about its method and prints one JSON object as its last line."""
