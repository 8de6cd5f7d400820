"""Redis: an instance that somebody opened to the world."""

from propolis.lures.redis.dialogue import RedisLure

__all__ = ["RedisLure"]
