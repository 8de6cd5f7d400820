"""Record web servers into personas: ``python -m propolis.lures.http.record [NAME ...]``."""
