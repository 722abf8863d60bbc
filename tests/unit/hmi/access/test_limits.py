"""Wrong passwords cost time, and nobody can use that to keep the real user out."""

from aoi_daemon.hmi.access.limits import LoginDelay, Rate

S = 1_000_000_000


def fail(delay: LoginDelay, user: str, address: str, times: int, now_ns: int = 0) -> None:
    for _ in range(times):
        delay.failed(user, address, now_ns)


def test_the_first_wrong_passwords_cost_nothing():
    delay = LoginDelay()
    fail(delay, "anna", "a", 2)
    assert delay.wait_ns("anna", "a", 0) == 0


def test_the_delay_doubles_up_to_half_a_minute():
    delay, waits = LoginDelay(), []
    for _ in range(10):
        delay.failed("anna", "a", 0)
        waits.append(delay.wait_ns("anna", "a", 0) // S)
    assert waits == [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]


def test_the_delay_passes():
    delay = LoginDelay()
    fail(delay, "anna", "a", 4)
    assert delay.wait_ns("anna", "a", 2 * S - 1) == 1
    assert delay.wait_ns("anna", "a", 2 * S) == 0


def test_many_names_from_one_address_are_slowed():
    delay = LoginDelay()
    for index in range(5):
        delay.failed(f"user{index}", "a", 0)
    assert delay.wait_ns("somebody else", "a", 0) == 4 * S
    assert delay.wait_ns("somebody else", "b", 0) == 0


def test_one_name_from_many_addresses_is_slowed():
    delay = LoginDelay()
    for index in range(5):
        delay.failed("anna", f"10.0.0.{index}", 0)
    assert delay.wait_ns("anna", "10.0.0.9", 0) == 4 * S


def test_the_real_user_gets_in_from_a_known_address_and_from_the_line_pc():
    delay = LoginDelay()
    delay.succeeded("anna", "panel")
    fail(delay, "anna", "attacker", 1000)
    assert delay.wait_ns("anna", "elsewhere", 0) == 30 * S
    assert delay.wait_ns("anna", "panel", 0) == 0
    assert delay.wait_ns("anna", "127.0.0.1", 0, local=True) == 0
    assert delay.wait_ns("anna", "attacker", 0) == 30 * S


def test_nobody_waits_longer_than_half_a_minute_for_whatever_others_do():
    delay = LoginDelay()
    fail(delay, "anna", "attacker", 100_000)
    assert delay.wait_ns("anna", "elsewhere", 30 * S) == 0


def test_the_right_password_forgets_what_this_user_mistyped_there():
    delay = LoginDelay()
    fail(delay, "anna", "panel", 5)
    delay.succeeded("anna", "panel")
    assert delay.wait_ns("anna", "panel", 0) == 0
    assert delay.wait_ns("leo", "panel", 0) == 0


def test_a_login_of_ones_own_does_not_buy_more_guesses_at_another():
    """An operator who guesses at maintenance's password, and logs in himself in between."""
    delay = LoginDelay()
    delay.succeeded("anna", "panel")
    for _ in range(8):
        delay.failed("anna", "panel", 0)
        delay.succeeded("leo", "panel")
    assert delay.wait_ns("anna", "panel", 0) == 30 * S


def test_failures_are_forgotten_after_a_quarter_of_an_hour():
    delay = LoginDelay()
    fail(delay, "anna", "a", 10)
    assert delay.wait_ns("anna", "a", 900 * S) == 0
    delay.failed("anna", "a", 900 * S)
    assert delay.wait_ns("anna", "a", 900 * S) == 0


def test_made_up_names_and_addresses_do_not_fill_the_memory():
    delay = LoginDelay()
    for index in range(10_000):
        delay.failed(f"user{index}", f"address{index}", 0)
    assert max(len(table) for table in (delay._by_address, delay._by_user, delay._by_both)) <= 4096


def test_a_rate_lets_a_burst_through_and_then_its_pace():
    rate = Rate(per_s=2, burst=3)
    assert [rate.wait_ns("anna", 0) for _ in range(3)] == [0, 0, 0]
    wait_ns = rate.wait_ns("anna", 0)
    assert 0.49 * S < wait_ns <= 0.5 * S + 1
    assert rate.wait_ns("anna", wait_ns) == 0
    assert rate.wait_ns("anna", wait_ns) > 0
    assert rate.wait_ns("leo", 0) == 0, "each key has its own"


def test_asking_too_early_does_not_make_the_wait_longer():
    rate = Rate(per_s=1, burst=1)
    rate.wait_ns("anna", 0)
    for _ in range(100):
        assert rate.wait_ns("anna", 0) <= S + 1
    assert rate.wait_ns("anna", S) == 0
