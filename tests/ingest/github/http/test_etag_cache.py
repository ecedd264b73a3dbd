"""The ETag cache, with Redis and without."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from ingest.github.http.etag_cache import CachedRefusal, CachedResponse, MemoryCache, ResponseCache


def test_a_response_is_stored_with_its_link_for_its_token(redis):
    cache = ResponseCache(redis, "t")
    headers = {"etag": 'W/"1"', "last-modified": "x", "link": "<http://next>", "set-cookie": "secret"}
    cache.store("abc", "http://x", headers, b"[1]")
    cached = ResponseCache(redis, "t").find("abc", "http://x")
    assert cached == CachedResponse({"etag": 'W/"1"', "last-modified": "x", "link": "<http://next>"}, b"[1]")
    assert cached.conditional_headers() == {"if-none-match": 'W/"1"'}
    assert cache.find("other", "http://x") is None


def test_last_modified_is_used_without_an_etag():
    assert CachedResponse({"last-modified": "Fri"}, b"").conditional_headers() == {"if-modified-since": "Fri"}


def test_a_response_without_validators_is_not_stored(redis):
    ResponseCache(redis, "t").store("abc", "http://x", {"content-type": "json"}, b"[1]")
    assert redis.dbsize() == 0


def test_a_refusal_is_stored_for_a_day(redis):
    cache = ResponseCache(redis, "t")
    cache.store_refusal("abc", "http://x", CachedRefusal(451, "dmca"))
    assert cache.refusal("abc", "http://x") == CachedRefusal(451, "dmca")
    assert 86000 < redis.ttl(redis.keys()[0]) <= 86400


def test_a_damaged_entry_is_a_miss(redis):
    cache = ResponseCache(redis, "t")
    cache.store("abc", "http://x", {"etag": "1"}, b"[1]")
    redis.set(redis.keys()[0], b"garbage")
    assert cache.find("abc", "http://x") is None


def test_without_redis_memory_is_used_and_one_warning_logged(tmp_path):
    unavailable = Redis(unix_socket_path=str(tmp_path / "nobody"), retry=Retry(NoBackoff(), 0))
    for cache in (ResponseCache(None, "t"), ResponseCache(unavailable, "t")):
        with capture_logs() as logs:
            cache.store("abc", "http://x", {"etag": "1"}, b"[1]")
            assert cache.find("abc", "http://x") == CachedResponse({"etag": "1"}, b"[1]")
            cache.learn_owner("abc", "mona")
            assert cache.owner("abc") == "mona"
        assert len(logs) <= 1


def test_memory_is_bounded_and_evicts_the_least_recently_used():
    memory = MemoryCache(max_bytes=10)
    memory.set("a", b"1234", expires_at=9)
    memory.set("b", b"1234", expires_at=9)
    memory.get("a", now=0)
    memory.set("c", b"1234", expires_at=9)
    assert memory.get("b", now=0) is None
    assert memory.get("a", now=0) == b"1234"
    assert memory.get("a", now=9) is None
