"""The flight recorder: the last frames, each whole, in memory that is never more."""




def copy(flight, newest):
    found = [frame.number for frame in flight.copy_new(newest)]
    left = [frame.number for frame in flight.forget_old()]
    return found, left


def test_each_frame_is_copied_once_and_whole(frames):
    camera = frames(slots=4)
    flight = camera.flight()
    assert copy(flight, camera.come()) == ([1], [])
    assert copy(flight, camera.come(2)) == ([2, 3], [])
    assert copy(flight, 3) == ([], [])
    found = flight.find(2000)
    assert (found.number, found.shape, found.fov, found.stamp_ns) == (2, (16, 16, 1), 3, 2000)
    assert (found.image == 2).all() and found.template is None
    camera.come(4)
    assert (found.image == 2).all(), "the ring has gone on, the copy has not"


def test_a_template_comes_along(frames):
    camera = frames()
    flight = camera.flight()
    copy(flight, camera.come(template=True))
    assert (flight.find(1000).template == 200).all()


def test_the_last_ones_are_kept_and_the_rest_let_go(frames):
    camera = frames(slots=4)
    flight = camera.flight(keep=3)
    left = []
    for _ in range(6):
        left += copy(flight, camera.come())[1]
    assert left == [1, 2, 3]
    assert [frame.number for frame in flight.recent] == [4, 5, 6]
    assert flight.find(3000) is None


def test_frames_that_the_ring_has_lost_are_counted(frames):
    camera = frames(slots=4)
    flight = camera.flight()
    copy(flight, camera.come())
    assert copy(flight, camera.come(9)) == ([8, 9, 10], [])  # the fourth slot is the one that acquire writes
    assert flight.missed == 6


def test_a_recorder_that_comes_late_takes_what_is_there_and_misses_nothing(frames):
    camera = frames(slots=4)
    camera.come(20)
    flight = camera.flight()
    assert copy(flight, 20) == ([18, 19, 20], [])
    assert flight.missed == 0


def test_a_frame_that_is_overwritten_meanwhile_is_not_taken(frames, monkeypatch):
    camera = frames(slots=4)
    flight = camera.flight()
    camera.come()
    real = camera.ring.stamps

    def overwritten(number):
        camera.ring.begin(number)  # as acquire does once it has come round
        return real(number)

    monkeypatch.setattr(camera.ring, "stamps", overwritten)
    assert copy(flight, 1) == ([], [])
    assert flight.missed == 1 and flight.find(1000) is None


def test_a_frame_that_waits_for_the_disk_is_not_written_over(frames):
    camera = frames(slots=4)
    flight = camera.flight(keep=2, spare=2)
    copy(flight, camera.come())
    waiting = flight.find(1000)
    waiting.waiting = True
    for _ in range(50):
        copy(flight, camera.come())
    assert (waiting.image == 1).all()
    flight.released.append(waiting)
    for _ in range(50):
        copy(flight, camera.come())
    assert not (waiting.image == 1).all(), "given back, it is used again"


def test_with_all_places_taken_there_is_memory_for_the_next_frames(frames):
    camera = frames(slots=4)
    flight = camera.flight(keep=3, spare=2)
    copy(flight, camera.come(3))
    for frame in list(flight.recent)[:2]:
        frame.waiting = True
    for _ in range(30):
        assert len(copy(flight, camera.come(3))[0]) == 3


