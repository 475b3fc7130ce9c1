"""Where recordings are: the order, what is not trusted, and what is cleaned up."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

import sigrec
from sigrec import _core
from sigrec._proc import host, process
from sigrec._reader import places
from sigrec._recorder import publishing, retention
from sigrec._why.newest import newest
from sigrec._why.sentence import why
from tests.conftest import file_name
from tests.reader.builder import BOOT, REALTIME, RecordingBuilder, event

UID = os.geteuid()


@pytest.fixture
def place(tmp_path):
    directory = tmp_path / "sigrec"
    directory.mkdir(mode=0o700)
    return directory


# --- which, in which order --------------------------------------------------------------


def test_order(monkeypatch):
    monkeypatch.setenv("SIGREC_DIR", "/one")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/three")
    monkeypatch.setenv("TMPDIR", "/four")
    expected = ["/one", f"/dev/shm/sigrec-{UID}", "/three/sigrec", f"/four/sigrec-{UID}"]
    assert places.directories() == expected


def test_without_an_environment(monkeypatch):
    for variable in ("SIGREC_DIR", "XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.delenv(variable, raising=False)
    assert places.directories() == [f"/dev/shm/sigrec-{UID}", f"/tmp/sigrec-{UID}"]
    assert not publishing.publishing_off()


def test_empty_turns_publishing_off_and_not_reading(monkeypatch):
    monkeypatch.setenv("SIGREC_DIR", "")
    assert publishing.publishing_off()
    assert _core.usable_directory() is None
    assert f"/dev/shm/sigrec-{UID}" in places.directories()


def test_a_relative_runtime_directory_is_passed_over(monkeypatch):
    """XDG: such a path is invalid and to be ignored."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert not any("relative" in path for path in places.directories())


PUBLISH = """
import resource
from sigrec._recorder import publishing
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sigrec.register(RT, print)
say(publishing.passed_over())
say("; ".join(places.directories()))
"""


def test_writer_and_reader_know_the_same(child, tmp_path):
    """With no room anywhere a writer tells all places that it tries."""
    (tmp_path / "d").mkdir()
    p = child(
        f"os.chdir({str(tmp_path)!r})\n" + PUBLISH,
        env={
            "SIGREC_DIR": "d/.//e/../",
            "XDG_RUNTIME_DIR": f"{tmp_path}//",
            "TMPDIR": f"{tmp_path}/d/..",
        },
    )
    tried = [note.rpartition(": ")[0] for note in p.line().split("; ")]
    assert tried == p.line().split("; ")
    assert len(tried) == 4 and tried[0] == f"{tmp_path}/d"


# --- what is trusted --------------------------------------------------------------------


def refused_by_both(directory, monkeypatch):
    """Why a reader does not trust that place; and no writer takes it."""
    monkeypatch.setenv("SIGREC_DIR", str(directory))
    assert _core.usable_directory() == os.fsencode(places.directories()[1])
    reason = places.unusable(places.directories()[0])
    assert reason is not None
    return reason


def test_where_one_is_made_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGREC_DIR", str(tmp_path / "new"))
    old = os.umask(0)
    try:
        assert _core.usable_directory() == os.fsencode(tmp_path / "new")
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o700
    assert _core.usable_directory() == os.fsencode(tmp_path / "new")


def test_no_parents_are_made(tmp_path, monkeypatch):
    assert "No such file" in refused_by_both(tmp_path / "absent" / "new", monkeypatch)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777, 0o720, 0o702])
def test_writable_by_others(place, mode, monkeypatch):
    place.chmod(mode)
    assert "writable by others" in refused_by_both(place, monkeypatch)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o500])
def test_not_writable_by_others(place, mode):
    place.chmod(mode)
    assert places.unusable(str(place)) is None


@pytest.mark.parametrize("behind", ["", "/", "/."])
def test_a_link(place, tmp_path, monkeypatch, behind):
    (tmp_path / "link").symlink_to(place)
    assert "symbolic link" in refused_by_both(f"{tmp_path}/link{behind}", monkeypatch)


def test_a_dangling_link(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("absent")
    assert "symbolic link" in refused_by_both(tmp_path / "link", monkeypatch)
    assert not (tmp_path / "absent").exists()


def test_a_file(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert "not a directory" in refused_by_both(tmp_path / "file", monkeypatch)


def test_someone_elses(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: UID + 1)
    reason = places.unusable(str(place))
    assert reason is not None and f"uid {UID}" in reason and f"uid {UID + 1}" in reason


def test_absent(tmp_path):
    reason = places.unusable(str(tmp_path / "absent"))
    assert reason is not None and "No such file" in reason


# --- finding -----------------------------------------------------------------------------


def test_find(run_directory, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    other = tmp_path / f"sigrec-{UID}"
    other.mkdir(mode=0o700)
    for path in (run_directory / "7.sigrec", other / "7.sigrec", other / "77.sigrec"):
        path.touch()
    (other / ".7.abc.tmp").touch()
    assert places.find(7) == [str(run_directory / "7.sigrec"), str(other / "7.sigrec")]
    assert str(other / "77.sigrec") in places.recordings()
    assert not any(path.endswith(".tmp") for path in places.recordings())


def test_a_planted_directory_is_not_read(run_directory):
    (run_directory / "7.sigrec").touch()
    run_directory.chmod(0o777)
    assert places.find(7) == []


@pytest.mark.skipif(UID != 0, reason="only root reads what others record")
def test_root_finds_the_recording_of_somebody_else(tmp_path, monkeypatch):
    for name in ("SIGREC_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    theirs = tmp_path / "sigrec-65534"
    theirs.mkdir(mode=0o700)
    path = RecordingBuilder(pid=NOBODY).write(theirs / f"{NOBODY}.sigrec")
    assert places.find(NOBODY) == []  # the directory is not that user's: anyone may have made it
    os.chown(theirs, 65534, 65534)
    os.chown(path, 65534, 65534)
    assert places.find(NOBODY) == [str(path)]
    assert str(path) not in places.recordings()
    theirs.chmod(0o777)
    assert places.find(NOBODY) == []
    theirs.chmod(0o700)
    mine = tmp_path / "sigrec-0"
    mine.mkdir(mode=0o700)
    # Root has one of that PID as well, as where a process drops its rights and execs: the newest
    # begun is meant, whose ever it is.
    own = RecordingBuilder(pid=NOBODY).set(started_ns=REALTIME - 1).write(mine / f"{NOBODY}.sigrec")
    assert places.find(NOBODY) == [str(own), str(path)]
    with sigrec.open_recording(NOBODY) as recording:
        assert recording.path == str(path)
    RecordingBuilder(pid=NOBODY).set(started_ns=REALTIME + 1).write(own)
    with sigrec.open_recording(NOBODY) as recording:
        assert recording.path == str(own)
    with sigrec.open_recording(path) as recording:
        assert "uid 65534" in why(recording)


@pytest.mark.skipif(UID != 0, reason="only root reads what others record")
def test_root_names_the_directory_of_somebody_else(run_directory):
    """As with the SIGREC_DIR of a service that another user runs."""
    path = RecordingBuilder(pid=NOBODY).write(run_directory / f"{NOBODY}.sigrec")
    for one in (run_directory, path):
        os.chown(one, 65534, 65534)
    assert places.find(NOBODY) == places.meant() == [str(path)]
    assert newest().pid == NOBODY
    run_directory.chmod(0o777)
    assert places.find(NOBODY) == places.meant() == []
    with pytest.raises(sigrec.SigrecError, match="SIGREC_DIR is not read: .* writable by others"):
        newest()


def test_a_directory_that_is_not_read_is_not_called_searched(run_directory, monkeypatch):
    monkeypatch.setenv("SIGREC_DIR", f"{run_directory}/file")
    (run_directory / "file").touch()
    for pid in (os.getppid(), NOBODY):
        with pytest.raises(sigrec.SigrecError) as caught:
            sigrec.open_recording(pid)
        assert str(caught.value).endswith(f"not read: {run_directory}/file: is not a directory")
        assert f"searched: {run_directory}" not in str(caught.value)


def test_where_a_living_process_records_its_environment_said(child, tmp_path, monkeypatch):
    """And not that of who asks, as where a service has a SIGREC_DIR and a shell has none."""
    place = tmp_path / "of the service"
    place.mkdir(mode=0o700)
    p = child("sigrec.record(); say('up'); hear()", env={"SIGREC_DIR": str(place)})
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        assert (recording.path, recording.state) == (f"{place}/{p.pid}.sigrec", "alive")
    p.process.kill()
    p.process.wait(60)
    assert not any(path.startswith(f"{place}/") for path in places.find(p.pid))


# --- cleaning ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gone():
    """A pid that nobody has."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


NOBODY = 1 << 30  # pids from here on are above the kernel's limit: proc_sys_kernel(5)


def fill(place, count, start=0):
    """Stale recordings, the later the newer."""
    for n in range(start, start + count):
        path = RecordingBuilder(pid=NOBODY + n).write(place / f"{NOBODY + n}.sigrec")
        os.utime(path, ns=(10**18 + n, 10**18 + n))


def left(place):
    return {path.name for path in place.iterdir()}


def test_clean_keeps_the_newest(place):
    fill(place, 20)
    retention.clean(str(place))
    assert left(place) == {f"{NOBODY + n}.sigrec" for n in range(4, 20)}


def test_clean_takes_only_what_sigrec_named(place):
    """Not what the user named, nor a copy that was put aside."""
    precious = ("web.sigrec", "incident-4711.sigrec", f"{NOBODY}.bak.sigrec", f"{NOBODY}-2.sigrec",
                "1.sigrec.sigrec", "01.sigrec", f"{NOBODY}@web.sigrec")  # fmt: skip
    for name in precious:
        RecordingBuilder(pid=NOBODY).write(place / name)
        os.utime(place / name, (1, 1))
    fill(place, 1)
    os.rename(place / f"{NOBODY}.sigrec", place / f"{NOBODY}@4026532999+12.sigrec")
    places_before = left(place)
    retention.clean(str(place), keep=0)
    assert places_before - left(place) == {f"{NOBODY}@4026532999+12.sigrec"}


def test_clean_looks_at_each_that_a_living_process_left(place):
    """Who execs again and again leaves one each time."""
    me = process.start_ticks(os.getpid())
    for number in range(1, 6):
        builder = RecordingBuilder(pid=os.getpid()).set(
            boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace(), start_ticks=me,
            exit_kind=3,
        )  # fmt: skip
        path = builder.write(place / str(places.Name(os.getpid(), host.pid_namespace(), number)))
        os.utime(path, (number, number))
    retention.clean(str(place), keep=2)
    assert {places.name(name).number for name in left(place)} == {4, 5}


def test_clean_bounds_what_a_container_leaves_that_is_started_again_and_again(place):
    """Of its earlier starts nobody here can say that they ended: each had a namespace of its own."""

    def recording(n, pid, argv=(b"app",)):
        builder = RecordingBuilder(pid=pid, argv=argv)
        builder.set(boot_id=host.boot_id().encode(), pid_namespace=1 + n)
        path = builder.write(place / f"{pid}@{1 + n}.sigrec")
        os.utime(path, (n + 1, n + 1))
        return path

    for n in range(6):
        recording(n, 1)
    others = [recording(6, 1, (b"sidecar",)), recording(7, 2)]
    own = recording(8, 1)
    retention.clean(str(place), keep=3, own=str(own))
    assert left(place) == {f"1@{n}.sigrec" for n in (5, 6, 9)} | {path.name for path in others}


def test_names_of_sigrecs_own_making():
    for name in (
        "7.sigrec",
        "1@4026532345.sigrec",
        "7+2.sigrec",
        "1@4026532345+3.sigrec",
        "7.named",
    ):
        assert str(places.name(name)) == name
    for name in (
        "web.sigrec",
        "7+1.sig",
        "07.sigrec",
        "7@.sigrec",
        "7+.sigrec",
        "7.sigrec.1",
        " 7.sigrec",
    ):
        assert places.name(name) is None


def test_clean_leaves_a_few_alone(place):
    fill(place, 16)
    retention.clean(str(place))
    assert len(left(place)) == 16


def test_clean_keep(place):
    fill(place, 5)
    retention.clean(str(place), keep=2)
    assert left(place) == {f"{NOBODY + 3}.sigrec", f"{NOBODY + 4}.sigrec"}


def test_clean_keeps_a_long_life_that_ended_just_now(place):
    """Of its file the time is that of its beginning: a tmpfs has no other."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mine = RecordingBuilder(pid=process.pid).write(place / file_name(process.pid))
    os.utime(mine, ns=(0, 0))
    fill(place, 16)
    retention.clean(str(place))
    process.communicate()
    retention.clean(str(place))
    assert mine.exists()
    assert left(place) == {mine.name, *(f"{NOBODY + n}.sigrec" for n in range(1, 16))}


def test_clean_does_not_drop_an_ending_for_many_that_went_well(place):
    fill(place, 1)
    for n in range(100, 140):
        path = RecordingBuilder(pid=NOBODY + n).set(state=1, exit_kind=1, exit_status=0)
        path.write(place / f"{NOBODY + n}.sigrec")
    retention.clean(str(place))
    assert f"{NOBODY}.sigrec" in left(place)
    assert len(left(place)) == 17


def test_clean_leaves_what_may_live(place):
    """In use, or in another PID namespace of this boot."""
    elsewhere = RecordingBuilder(pid=NOBODY).set(boot_id=host.boot_id().encode(), pid_namespace=1)
    elsewhere.write(place / f"{NOBODY}.sigrec")
    RecordingBuilder(pid=os.getpid()).write(place / f"{os.getpid()}.sigrec")
    for path in place.iterdir():
        os.utime(path, ns=(0, 0))
    fill(place, 3, start=1)
    retention.clean(str(place), keep=0)
    assert left(place) == {f"{NOBODY}.sigrec", f"{os.getpid()}.sigrec"}


def test_clean_takes_this_boots_dead(place, gone):
    builder = RecordingBuilder(pid=gone).set(
        boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace()
    )
    builder.write(place / f"{gone}.sigrec")
    retention.clean(str(place), keep=0)
    assert left(place) == set()


def test_clean_touches_only_recordings(place, tmp_path):
    (place / f"{NOBODY}.sigrec").write_bytes(b"precious")
    (place / "notes.txt").write_bytes(b"precious")
    (place / f"{NOBODY + 1}.sigrec").mkdir()
    os.mkfifo(place / f"{NOBODY + 2}.sigrec")
    broken = RecordingBuilder().set(version=99).write(place / f"{NOBODY + 3}.sigrec")
    before = left(place)
    fill(place, 4, start=10)
    retention.clean(str(place), keep=0)
    assert left(place) == before
    assert broken.exists()


def test_clean_removes_what_is_empty_and_whose_process_is_gone(place):
    (place / f"{NOBODY}.sigrec").touch()
    for name in ("notes.sigrec", f"{os.getpid()}.sigrec", f"{NOBODY + 1}.txt"):
        (place / name).touch()
    retention.clean(str(place))
    assert left(place) == {"notes.sigrec", f"{os.getpid()}.sigrec", f"{NOBODY + 1}.txt"}


def test_clean_never_removes_what_a_link_points_to(place, tmp_path):
    target = RecordingBuilder(pid=NOBODY).write(tmp_path / "precious")
    (place / f"{NOBODY}.sigrec").symlink_to(target)
    retention.clean(str(place), keep=0)
    assert target.exists()


def test_clean_never_raises(place, tmp_path):
    retention.clean(str(tmp_path / "absent"), keep=0)
    (tmp_path / "file").touch()
    retention.clean(str(tmp_path / "file"), keep=0)
    fill(place, 3)
    os.truncate(place / f"{NOBODY}.sigrec", 100)
    retention.clean(str(place), keep=0)


def test_boot_of_the_builder_is_not_ours():
    assert host.boot_id() not in ("", BOOT)


def test_clean_removes_what_was_left_half_made(place):
    old, new, alive = (place / f".{pid}.abc.tmp" for pid in (NOBODY, NOBODY + 1, os.getpid()))
    for path in (old, new, alive):
        path.write_bytes(b"")
    for path in (old, alive):
        os.utime(path, (1, 1))
    (place / ".notes.tmp").write_bytes(b"")
    retention.clean(str(place))
    assert left(place) == {new.name, alive.name, ".notes.tmp"}


def test_clean_goes_on_where_one_cannot_be_removed(place, monkeypatch):
    fill(place, 4)
    names = sorted(left(place))
    unlink = os.unlink

    def refusing(path):
        if os.path.basename(path) == names[1]:
            raise PermissionError(1, "no")
        unlink(path)

    monkeypatch.setattr(os, "unlink", refusing)
    retention.clean(str(place), keep=0)
    assert left(place) == {names[1]}


def test_clean_spares_what_took_the_place_since(place, monkeypatch):
    fill(place, 1)
    (name,) = left(place)
    lstat, there = os.lstat, []

    def published_meanwhile(path, *args, **kwargs):
        if os.path.basename(path) == name and not there:
            there.append(path)
            (place / "new").write_bytes(b"a new process's")
            os.rename(place / "new", path)
        return lstat(path, *args, **kwargs)

    monkeypatch.setattr(os, "lstat", published_meanwhile)
    retention.clean(str(place), keep=0)
    assert (place / name).read_bytes() == b"a new process's"


def test_a_copy_of_a_live_recording_is_not_called_replaced(child, tmp_path):
    p = child("sigrec.register(RT, print); say('ready'); hear()")
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        shutil.copy(recording.path, tmp_path / "copy.sigrec")
        assert recording.state == "alive"
    with sigrec.open_recording(tmp_path / "copy.sigrec") as copy:
        assert copy.state == "unknown"
        p.kill()
        assert copy.state == "ended"


def test_real_time_names_of_events_are_the_recordings(tmp_path):
    builder = RecordingBuilder().set(sigrtmin=35).slot(0, event(37))
    with sigrec.open_recording(builder.write(tmp_path / "a.sigrec")) as recording:
        (info,) = recording.events()
        assert info.signal_name == "SIGRTMIN+2"


def test_a_directory_that_is_removed_as_we_look(tmp_path, monkeypatch):
    """As another user's, whose last recording was removed, while root looks at all."""
    going = tmp_path / "going"
    monkeypatch.setenv("SIGREC_DIR", str(going))
    usable = places.unusable

    def remove(directory, *rest):
        reason = usable(directory, *rest)
        if directory == str(going):
            going.rmdir()
        return reason

    monkeypatch.setattr(places, "unusable", remove)
    for look in (lambda: places.recordings(str(going)), lambda: places.find(os.getpid())):
        going.mkdir(0o700)
        assert str(going) not in "".join(look())
        assert not going.exists()
