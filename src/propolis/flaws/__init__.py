"""FLAW: what we know of a vulnerability: requests that go for it, and what the product would answer.

What is in here is imported from its module: the supervisor needs keys, the console names, only sensors all of it.
"""
