"""Who holds a place of the intake: nobody who waits for one node only, up to a bound."""

from ingest_watch.places import Places


def test_a_place_is_free_when_a_package_lacks_one_copy_only() -> None:
    places = Places(waiting_max=2)
    freed = places.take(1)
    assert not freed.is_set()
    places.lacks_one_copy(1)
    assert freed.is_set()
    assert places.waiting == 1
    places.leave(1)
    assert places.waiting == 0


def test_a_place_is_free_when_its_package_is_over() -> None:
    places = Places(waiting_max=2)
    freed = places.take(1)
    places.leave(1)
    assert freed.is_set()


def test_when_too_many_wait_they_keep_their_places() -> None:
    places = Places(waiting_max=2)
    freed = [places.take(number) for number in range(3)]
    for number in range(3):
        places.lacks_one_copy(number)
    assert [each.is_set() for each in freed] == [True, True, False]
    places.leave(0)
    late = places.take(3)
    places.lacks_one_copy(3)
    assert late.is_set(), "one that waited is over, so another may wait"
