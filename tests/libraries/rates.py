"""`limits`, rate limits whose windows are kept by scripts. Prints what was allowed, and the windows."""

from limits import RateLimitItemPerYear
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from connection import OPTIONS, URL

storage = RedisStorage(URL, **OPTIONS)
for strategy in [FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter]:
    limiter = strategy(storage)
    for amount, costs in [(10, [4, 6, 1]), (3, [2, 2, 1]), (5, [6, 5])]:
        limit, key = RateLimitItemPerYear(amount), f"{strategy.__name__}:{amount}"
        for cost in costs:
            print(key, cost, limiter.test(limit, key, cost=cost), limiter.hit(limit, key, cost=cost))
        print(key, limiter.get_window_stats(limit, key).remaining)
        limiter.clear(limit, key)
        print(key, limiter.get_window_stats(limit, key).remaining)
print(storage.check(), storage.reset())
