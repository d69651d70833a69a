"""The locks of `redis` and of `python-redis-lock`. Prints who holds them, and the errors of those who do not."""

import threading

import redis
import redis_lock

from connection import OPTIONS, URL

client = redis.Redis.from_url(URL, **OPTIONS)


def tried(what, *arguments):
    try:
        return what(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


first, second = client.lock("lock", timeout=1000, blocking_timeout=60), client.lock("lock", timeout=1000, blocking=False)
print(first.acquire(), second.acquire(), first.owned(), second.owned(), second.locked())
print(tried(second.release), tried(second.extend, 10), tried(first.extend, 10), tried(first.extend, 2000, True))
print(1990 < client.ttl("lock") <= 2000, tried(first.reacquire), 990 < client.ttl("lock") <= 1000)
client.set("lock", "stolen")
print(tried(first.extend, 10), tried(first.reacquire), tried(first.release), client.get("lock"))

one, two = redis_lock.Lock(client, "door", expire=1000, id="one"), redis_lock.Lock(client, "door", expire=1000, id="two")
print(one.acquire(), two.acquire(blocking=False), one.get_owner_id(), tried(two.release), tried(two.extend, 5))
print(tried(one.acquire), tried(one.extend, 500), 490 < client.ttl("lock:door") <= 500)
acquired = []
waiter = threading.Thread(target=lambda: acquired.append(two.acquire(timeout=60)))
waiter.start()
one.release()
waiter.join()
print(acquired)
print(two.get_owner_id(), two.locked(), two.release(), two.locked(), tried(two.release))
one.acquire()
redis_lock.reset_all(client)
print(one.locked(), client.exists("lock:door"))
