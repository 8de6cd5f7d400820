"""What nobody has judged yet: texts that are new and spread, for people to look at, and drafts made of them.

The queue is :mod:`~propolis.detection.novelty.novel`, imported by name where Arrow would be too much; drafts are
:mod:`~propolis.detection.novelty.draft`.
"""
