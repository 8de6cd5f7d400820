"""FLAW: what we know of a vulnerability: requests that go for it, and what the product would answer."""
