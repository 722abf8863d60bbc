"""users.toml: kept from others, changed completely or not at all, and its faults named."""

import os
import threading

import pytest

from aoi_daemon.errors import ConfigError
from aoi_daemon.hmi.access.users import MAX_USERS, Role, User, UserFile, as_toml, change_users, folded, read_users


def test_what_is_written_is_read_again(users_file, people):
    assert read_users(users_file) == people


def test_no_file_is_no_users(tmp_path):
    assert read_users(tmp_path / "users.toml") == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_a_file_that_others_can_open_is_refused_with_what_closes_it(users_file, mode):
    users_file.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o} lets others in: chmod 0600"):
        read_users(users_file)


def test_a_file_of_somebody_else_is_refused(users_file, monkeypatch):
    if os.geteuid() == 0:
        os.chown(users_file, 12_345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(ConfigError, match=r"belongs to user id \d+, not to the one this runs as"):
        read_users(users_file)


def test_a_folder_or_a_fifo_in_its_place_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_users(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"\xff\xfe", r"users\.toml: is UTF-16 text; save it as UTF-8"),
        (b"# M\xfcller\n", r"users\.toml:1:4: is not UTF-8 text \(byte 0xfc\); save it as UTF-8"),
        (b"[users", r"users\.toml:1:7: is not TOML"),
        (b"people = 1", "people: unknown key"),
        (b"users = 3", "users: must be tables"),
        (b"users.anna = 3", r"users\.anna: must be a table with role and password"),
        (b'[users.anna]\nrole = "king"\npassword = ""', r"users\.anna\.role = 'king': must be one of operator, quality, maintenance"),
        (b'[users.anna]\nrole = "operator"\npassword = "hunter2 in plain"', r"users\.anna\.password: is not what"),
        (b'[users.anna]\nrole = "operator"\npassword = 5', r"users\.anna\.password: is not what"),
        (b'[users.anna]\nrole = "operator"', r"users\.anna\.password: is not what"),
        (b'[users.anna]\nrole = "operator"\nadmin = true', r"users\.anna\.admin: unknown key"),
        (b'[users."a b"]\nrole = "operator"', "name 'a b': 1 to 32 letters"),
        (b'[users."../x"]\nrole = "operator"', "1 to 32 letters"),
        (b"x" * 300_000, "is larger than 262144 bytes"),
    ],
)
def test_each_fault_is_named_with_file_and_key(tmp_path, text, problem):
    path = tmp_path / "users.toml"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=problem) as refused:
        read_users(path)
    assert str(path) in str(refused.value) and "hunter2" not in str(refused.value)


def test_two_names_that_differ_in_case_alone_are_one_too_many(tmp_path, people):
    path = tmp_path / "users.toml"
    path.write_text(as_toml({**people, "x": User("ANNA", Role.OPERATOR, people["anna"].password)}))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"there is a user 'A(nna|NNA)' already"):
        read_users(path)


def test_a_name_is_found_however_it_is_typed():
    assert folded(" ANNA ") == folded("anna")
    assert folded("J\u00fcrgen") == folded("ju\u0308rgen")


def test_names_of_all_scripts_are_kept(tmp_path, people):
    path = tmp_path / "users.toml"
    users = {folded(name): User(name, Role.OPERATOR, people["leo"].password) for name in ("王芳", "Jürgen", "o.k-1_x")}
    change_users(path, lambda found: found.update(users))
    assert read_users(path) == users


def test_a_new_file_is_closed_to_others_from_its_first_moment(tmp_path, people):
    path = tmp_path / "users.toml"
    before = os.umask(0)
    try:
        change_users(path, lambda found: found.update(people))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_leaves_the_file_and_nothing_beside_it(users_file, people):
    before = users_file.read_bytes()

    def fail(_users):
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        change_users(users_file, fail)
    assert users_file.read_bytes() == before
    assert [path.name for path in users_file.parent.iterdir()] == ["users.toml"]


def test_what_a_killed_writer_left_does_not_stop_the_next(users_file, people):
    (users_file.parent / ".users.toml.partial").write_text("half")
    change_users(users_file, lambda found: found.pop("leo") and None)
    assert set(read_users(users_file)) == {"mei", "anna"}
    assert [path.name for path in users_file.parent.iterdir()] == ["users.toml"]


def test_a_link_in_the_writers_place_is_not_followed(users_file, people, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (users_file.parent / ".users.toml.partial").symlink_to(victim)
    change_users(users_file, lambda found: None)
    assert victim.read_text() == "untouched" and read_users(users_file) == people


def test_many_writers_at_once_lose_nothing(users_file, people):
    def add(name: str) -> None:
        change_users(users_file, lambda found: found.__setitem__(name, User(name, Role.OPERATOR, people["leo"].password)))

    threads = [threading.Thread(target=add, args=(f"user{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {f"user{index}" for index in range(8)} < set(read_users(users_file))


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        change_users(tmp_path / "gone" / "users.toml", lambda found: None)


def test_more_users_than_are_taken_are_refused_at_once(users_file, people):
    many = {f"u{index}": User(f"u{index}", Role.OPERATOR, people["leo"].password) for index in range(MAX_USERS)}
    with pytest.raises(ConfigError, match="takes no more"):
        change_users(users_file, lambda found: found.update(many))
    assert read_users(users_file) == people


class TestUserFile:
    def test_a_change_is_seen_at_once(self, users_file):
        file = UserFile(users_file)
        assert "leo" in file.users()
        change_users(users_file, lambda found: found.pop("leo") and None)
        assert "leo" not in file.users()

    def test_an_unchanged_file_is_not_read_again(self, users_file, monkeypatch):
        file = UserFile(users_file)
        file.users()
        monkeypatch.setattr("aoi_daemon.hmi.access.users.read_users", lambda _: pytest.fail("read again"))
        assert "leo" in file.users()

    def test_a_wrong_file_has_no_users_until_it_is_mended(self, users_file):
        file = UserFile(users_file)
        file.users()
        users_file.chmod(0o644)
        for _ in range(2):
            with pytest.raises(ConfigError, match="chmod 0600"):
                file.users()
        users_file.chmod(0o600)
        assert "leo" in file.users()

    def test_a_file_that_goes_takes_its_users_along(self, users_file):
        file = UserFile(users_file)
        assert file.users()
        users_file.unlink()
        assert file.users() == {}
