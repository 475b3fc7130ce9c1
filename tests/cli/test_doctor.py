"""``sigrec doctor``: in real surroundings that have each fault."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

import sigrec
from sigrec._doctor import limit
from sigrec._doctor.machine import _check_pidfd, machine
from sigrec._proc import host
from sigrec._proc import status as proc_status
from sigrec._proc.process import stat_fields
from sigrec._recorder import beside
from sigrec._why.brief import pending_words
from sigrec._why.sentence import why
from sigrec.cli import main
from tests.conftest import file_name, wait_until
from tests.reader.builder import RecordingBuilder

SPAWNED = """if True:
    import os, sys
    command = [sys.executable, "-m", "sigrec", "doctor", "--json"]
    _, status = os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""
ROOT = os.geteuid() == 0


def doctor(*args, code="", before=None, env=None, wrapper=()):
    """Runs it after ``code`` in the same process; its status, findings by check, and text. Whether
    other processes have used up what this user may queue is not what the status is about."""
    program = ["-m", "sigrec"]
    if code:
        program = ["-c", f"import os, signal, sys\n{code}\nfrom sigrec.cli import main\nsys.exit(main(sys.argv[1:]))"]  # fmt: skip
    command = [*wrapper, sys.executable, *program, "doctor", *map(str, args)]
    environment = {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = {**pipes, "text": True, "env": environment, "preexec_fn": before}
    # About a process both are asked at once, since each may look for a second; about the machine one
    # after the other, since each of them floods itself.
    text = subprocess.Popen(command, **options)
    told = subprocess.Popen([*command, "--json"], **options) if args else None
    out, errors = text.communicate()
    told = told or subprocess.Popen([*command, "--json"], **options)
    told_out, told_errors = told.communicate()
    assert "Traceback" not in errors, errors
    answer = json.loads(told_out)
    assert answer["version"] == 1
    problems = {f["check"] for f in answer["findings"] if f["verdict"] == "problem"}
    assert told.returncode == bool(problems), told_errors
    lines = [line.split()[1] for line in out.splitlines() if line.startswith("problem ")]
    assert text.returncode == bool(lines), out
    others = {"RLIMIT_SIGPENDING"}
    if "no more could be queued" in out + told_out:
        others.add("signals")  # which follows from that
    assert problems - others == set(lines) - others
    findings = {}
    for finding in answer["findings"]:
        findings.setdefault(finding["check"], []).append(finding)
        if finding["verdict"] != "ok":
            assert (
                finding["advice"] or "not known" in finding["found"] or "seen" in finding["found"]
            )
    assert all(len(line) < 80 or len(line.split()[-1]) > 40 for line in out.splitlines())
    return int(bool(problems - {"RLIMIT_SIGPENDING"})), findings, out


def verdict(findings, check):
    return findings[check][0]["verdict"]


def test_a_plain_shell():
    status, findings, text = doctor()
    assert status == 0
    for check in (
        "inherited",
        "handlers",
        "rt_sigtimedwait",
        "MADV_WIPEONFORK",
        "reading",
        "signals",
    ):
        assert verdict(findings, check) == "ok", findings[check]
    assert (
        "1,000 were delivered, 1,000 handled, 1,000 have their sender"
        in findings["signals"][0]["found"]
    )
    last = text.splitlines()[-1]
    assert last.startswith("sigrec works here") or "problem  RLIMIT_SIGPENDING" in text


def test_what_the_c_library_ignores_for_itself_is_not_told():
    # As posix_spawn starts a program, which subprocess uses from 3.13 on.
    findings = json.loads(
        subprocess.run([sys.executable, "-c", SPAWNED], capture_output=True, text=True).stdout
    )["findings"]
    assert {"check": "inherited", "verdict": "ok"}.items() <= findings[1].items(), findings[1]


def test_it_is_a_verb(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--help"])
    assert ended.value.code == 0
    assert "what to do about what does not" in capsys.readouterr().out


def test_other_handlers_in_the_way():
    status, findings, _ = doctor(
        code="""
import faulthandler, socket
faulthandler.enable()
signal.signal(signal.SIGUSR2, print)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
_, end = socket.socketpair()
end.setblocking(False)
signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
"""
    )
    assert status == 0
    python, foreign = findings["handlers"]
    assert "SIGUSR2: <built-in function print>" in python["found"]
    assert "SIGSEGV" in foreign["found"] and "faulthandler is on" in foreign["found"]
    assert "SIGHUP" in findings["inherited"][0]["found"]
    assert "wakeup fd already" in findings["wakeup fd"][0]["found"]
    assert verdict(findings, "signals") == "ok"


def test_a_blocked_signal_is_a_problem():
    status, findings, text = doctor(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    )
    assert status == 1
    assert "SIGTERM" in findings["inherited"][0]["found"]
    assert re.search(r"\d problems?: see the lines with ->", text)


def test_who_shares_the_queue(child, monkeypatch):
    holds = child(
        """
signal.pthread_sigmask(signal.SIG_BLOCK, [RT])
sigqueue(os.getpid(), RT)
say("holds")
hear()
"""
    )
    holds.line()
    monkeypatch.setattr(limit, "MOST_NAMED", 1000)
    now = proc_status.status("self")
    now.queued = (100, 100)
    found = limit.queue_limit(now).found
    assert re.search(rf"\d processes share that, all of UID {os.getuid()}", found)
    assert f"(PID {holds.pid}: signals pending)" in found
    monkeypatch.setattr(limit, "of_user", lambda uid: {uid: now})
    assert f"; 1 process has that, of UID {os.getuid()}" in limit.queue_limit(now).found
    holds.tell()
    holds.end()


def test_few_signals_may_be_queued():
    def limit(signals):
        return lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, (signals, signals))

    _, findings, _ = doctor(before=limit(100))
    finding = findings["RLIMIT_SIGPENDING"][0]
    # A problem if others of this user have filled it.
    assert finding["verdict"] in ("note", "problem") and finding["found"].startswith("100 signals")
    assert "ulimit -i" in finding["advice"]
    assert verdict(findings, "rt_sigtimedwait") == "ok"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    status, findings, _ = doctor(before=limit(0))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert status == 1
    # Two runs, and neither goes on trying what cannot succeed.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5
    assert verdict(findings, "RLIMIT_SIGPENDING") == "problem"
    assert verdict(findings, "rt_sigtimedwait") == "ok"  # which is not what is wrong
    assert findings["signals"][0]["found"].endswith("no more could be queued")
    assert "see RLIMIT_SIGPENDING" in findings["signals"][0]["advice"]


def test_nothing_is_published():
    status, findings, _ = doctor(env={"SIGREC_DIR": ""})
    assert status == 0
    assert verdict(findings, "recording") == "note"
    assert "SIGREC_DIR is set and empty" in findings["recording"][0]["found"]


def test_a_place_that_is_refused_is_said(tmp_path):
    squatted = tmp_path / "squatted"
    squatted.mkdir()
    squatted.chmod(0o777)
    status, findings, _ = doctor(env={"SIGREC_DIR": str(squatted)})
    assert status == 1
    assert "not in SIGREC_DIR" in findings["recording"][0]["found"]
    assert "writable by others" in findings["recording"][0]["found"]
    assert "recording to" not in findings["recording"][0]["found"]  # once is enough
    assert verdict(findings, "reading") == "ok"


@pytest.mark.skipif(not ROOT or not shutil.which("unshare"), reason="needs root and unshare(1)")
def test_in_a_container_without_shared_memory(tmp_path):
    wrapper = [
        "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--",
        "sh", "-c", 'mount -t tmpfs -o ro none /dev/shm && exec "$@"', "sh",
    ]  # fmt: skip
    status, findings, _ = doctor(
        wrapper=wrapper, env={"SIGREC_DIR": None, "XDG_RUNTIME_DIR": None, "TMPDIR": str(tmp_path)}
    )
    assert status == 0
    assert "container" in findings["namespace"][0]["found"]
    assert "PID 1" in findings["namespace"][0]["found"]
    assert "refused were: /dev/shm" in findings["recording"][0]["found"]
    assert str(tmp_path) in findings["recording"][0]["found"]
    assert verdict(findings, "reading") == verdict(findings, "signals") == "ok"


@pytest.mark.skipif(not ROOT, reason="needs root, to be somebody else")
def test_an_unprivileged_user(tmp_path):
    """The process drops root before it begins: its interpreter may be where others cannot read."""
    code = """
import importlib, pkgutil, sigrec
for module in pkgutil.walk_packages(sigrec.__path__, "sigrec."):
    # (The libraries of C stand where the modules do, and look like some.)
    if not module.name.endswith(("__main__", "sitecustomize", "_pytest_plugin", "libsigrec", "libsigrec-preload")):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name == "pyarrow"  # of an extra
import datetime, faulthandler, importlib.util, mmap, pwd
from sigrec.cli import doctor, parser
parser().parse_args(["doctor"])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""
    status, findings, _ = doctor(code=code, env={"TMPDIR": "/tmp", "SIGREC_DIR": None})
    assert status == 0, findings
    assert "sigrec-65534" in findings["recording"][0]["found"]
    assert verdict(findings, "reading") == verdict(findings, "signals") == "ok"
    shutil.rmtree("/dev/shm/sigrec-65534", ignore_errors=True)


def test_another_process(child):
    p = child("""
        import ctypes
        signal.signal(signal.SIGWINCH, print)
        sigrec.register(signal.SIGALRM, print)
        sigrec.register(signal.SIGUSR1, lambda s, f: hear(), reentrant=False)
        mine = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda s: None)
        ctypes.CDLL(None).signal(signal.SIGALRM, mine)
        sigrec.stats()  # it notices
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        os.kill(os.getpid(), signal.SIGHUP)
        say("ready")
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR1)
        """)
    p.line()
    p.flood(signal.SIGUSR1, 1, queue=False)
    status, findings, text = doctor(p.pid)
    assert status == 1
    assert "sent, and blocked in every one of its threads: SIGHUP" in findings["mask"][0]["found"]
    assert "SIGALRM" in findings["handlers"][0]["found"]
    assert "registered: SIGUSR1" in findings["recording"][0]["found"]


def test_a_handler_that_does_not_return(child):
    p = child("""
        sigrec.register(signal.SIGUSR1, lambda s, f: hear())
        sigrec.register(signal.SIGUSR2, print, deliver="main")
        say("ready")
        os.kill(os.getpid(), signal.SIGUSR1)
        """)
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        wait_until(lambda: recording.handling == signal.SIGUSR1)
        os.kill(p.pid, signal.SIGUSR1)
        wait_until(lambda: recording.signals[signal.SIGUSR1].pending)
    status, findings, text = doctor(p.pid)
    assert status == 1
    said = [finding["found"] for finding in findings["handling"]]
    running = re.fullmatch(
        r"its handler of SIGUSR1 has been running for ([\d.]+) s, and has not returned", said[0]
    )
    assert float(running[1]) >= 1
    assert said[1].endswith("no handler called for 1 s: 1 SIGUSR1")


def test_a_handler_of_c_cannot_be_told_from_ours_outside(child):
    p = child("""
        import ctypes
        sigrec.register(signal.SIGALRM, print)
        mine = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda s: None)
        ctypes.CDLL(None).signal(signal.SIGALRM, mine)
        say("ready"); hear()
        """)
    p.line()
    status, findings, text = doctor(p.pid)
    (finding,) = findings["handlers"]
    assert finding["verdict"] == "note" and "one that a C library has set since" in finding["found"]
    assert "seen to be wrong" not in text


def test_a_process_that_is_stopped_with_all_blocked():
    """As one that a SIGSTOP met on its way into a handler: not one line for each signal."""
    code = """
import signal, os
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.kill(os.getpid(), signal.SIGSTOP)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        wait_until(lambda: stat_fields(process.pid)[0] == b"T")
        _, findings, _ = doctor(process.pid)
        process.kill()
    assert findings["mask"][0]["verdict"] == "note"
    assert "while it entered a handler" in findings["mask"][0]["found"]


def test_a_process_that_knows_nothing_of_sigrec():
    with subprocess.Popen(["sleep", "100"]) as sleep:
        status, findings, text = doctor(sleep.pid)
        sleep.kill()
    assert status == 0
    assert "not a Python program" in findings["recording"][0]["found"]
    assert "No problem is seen from outside" in text or "problem  RLIMIT_SIGPENDING" in text


def test_a_recording_of_which_it_cannot_be_told_whose_it_is(
    run_directory, child, monkeypatch, capsys
):
    """As that of a process that its own user may not look into: prctl(PR_SET_DUMPABLE)."""
    p = child("sigrec.register(RT, print); say('ready'); hear()")
    p.line()
    monkeypatch.setattr("sigrec._reader.state.maps_writable", lambda *_: None)
    main(["doctor", "--json", str(p.pid)])
    found = json.loads(capsys.readouterr().out)["findings"]
    (one,) = (f["found"] for f in found if f["check"] == "recording")
    assert one.endswith(": whether it is of this process is not known")
    main(["why", str(p.pid)])
    assert (
        " is one that this user may not look into, and cannot be seen from here"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("had_the_pid", ["", "here", "elsewhere"])
def test_a_program_that_is_not_recorded(run_directory, had_the_pid):
    code = "import signal; signal.signal(1, signal.SIG_IGN); signal.signal(10, print); print(1, flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        if had_the_pid:  # an earlier one, whose recording says nothing of this one
            earlier = RecordingBuilder(pid=process.pid).set(started_ns=time.time_ns())
            if had_the_pid == "here":  # or on another machine
                earlier.set(boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())
            earlier.write(run_directory / file_name(process.pid))
        try:
            status, findings, _ = doctor(process.pid)
        finally:
            process.kill()
    assert status == 0
    assert "SIGHUP" in findings["ignored"][0]["found"]
    assert "SIGUSR1" in findings["handlers"][0]["found"]
    assert "sigrec run" in findings["recording"][0]["advice"]
    if had_the_pid:
        assert "of a process that had this PID" in findings["recording"][1]["found"]


@pytest.mark.skipif(sys.platform != "linux", reason="recording needs Linux")
def test_who_made_a_recorded_process_what_it_is(tmp_path):
    framework, app = tmp_path / "framework.py", tmp_path / "app.py"
    framework.write_text("import signal\nsignal.signal(15, lambda *_: None)\n")
    app.write_text(
        "import signal, time\nsignal.signal(15, print)\ntime.sleep(0.1)\nimport framework\n"
        "print(1, flush=True)\nsignal.pause()\n"
    )

    def nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    command = [sys.executable, "-m", "sigrec", "run", app]
    with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=nohup) as process:
        process.stdout.readline()
        status, findings, _ = doctor(process.pid)
        process.kill()
    (finding,) = findings["dispositions"]
    assert status == 0 and finding["verdict"] == "note"
    first, *_, last = finding["found"].split("; ")
    assert first == "SIGHUP: ignored since the start: nohup, or another that started it"
    assert re.fullmatch(
        r"SIGTERM: handler set by app\.py:2, replaced .* later by framework\.py:2", last
    )


def test_what_a_registered_process_ignored_before(child):
    p = child("""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        sigrec.register(signal.SIGUSR1, print)
        os.kill(os.getpid(), signal.SIGTERM)
        say("ready"); hear()
        """)
    p.line()
    _, findings, _ = doctor(p.pid)
    (finding,) = findings["dispositions"]
    assert "SIGHUP: ignored since before its recording began; " in finding["found"]
    assert finding["found"].endswith("SIGTERM: blocked since before its recording began")
    with sigrec.open_recording(p.pid) as recording:
        assert pending_words(recording) == (
            "1 SIGTERM is pending, blocked in every thread since before the recording began"
        )
        assert why(recording).count("blocked") == 1


def test_what_is_blocked_again_is_not_blocked_since_before(child):
    p = child("""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        sigrec.record()
        for how in (signal.SIG_UNBLOCK, signal.SIG_BLOCK):
            signal.pthread_sigmask(how, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        say("ready"); hear()
        """)
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        assert pending_words(recording) == "1 SIGTERM is pending, blocked in every thread"
        assert "SIGTERM: blocked by <string>:" in why(recording)


@pytest.mark.skipif(not ROOT, reason="needs root, to be somebody else")
def test_somebody_elses_process():
    code = """
import sigrec._core, sigrec._reader.recording, sigrec._reader.places
from sigrec.cli import doctor, parser
parser().parse_args(["doctor", "1"])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as process:
        _, findings, _ = doctor(process.pid, code=code)
        process.kill()
    finding = findings["recording"][0]
    assert f"process {process.pid} belongs to uid 0" in finding["found"]
    assert f"sudo sigrec doctor {process.pid}" in finding["advice"]


def test_a_process_that_does_nothing_now():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as process:
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: stat_fields(process.pid)[0] == b"T")
        status, findings, _ = doctor(process.pid)
        assert status == 1
        assert f"kill -CONT {process.pid}" in findings["process"][0]["advice"]
        process.kill()
        wait_until(lambda: stat_fields(process.pid)[0] == b"Z")
        status, findings, _ = doctor(process.pid)
        assert status == 1
        assert f"zombie until its parent, PID {os.getpid()}" in findings["process"][0]["found"]


@pytest.mark.skipif(stat_fields(2) is None, reason="kthreadd is not seen from here")
def test_a_thread_of_the_kernels():
    if open("/proc/2/comm").read() != "kthreadd\n":
        pytest.skip("PID 2 is a process here")
    status, findings, _ = doctor(2)
    assert status == 1 and list(findings) == ["process"]


def test_bad_arguments(capsys):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert main(["doctor", str(gone.pid)]) == 1
    assert str(gone.pid) in capsys.readouterr().err
    for bad in ("0", "-3", "abc", "²"):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", bad])
        assert ended.value.code == 2


def test_who_waits_beside_a_program_must_be_executable(monkeypatch, tmp_path):
    report = tmp_path / "sigrec-report"
    monkeypatch.setattr(beside, "PROGRAM", str(report))
    for words in ("is missing", "cannot be executed"):
        (finding,) = (found for found in machine() if found.check == "report")
        assert finding.found.endswith(f"{report} {words}")
        report.touch(0o600)
    report.chmod(0o700)
    assert not [found for found in machine() if found.check == "report"]


@pytest.mark.parametrize("tells", [True, False, None])
def test_what_an_older_kernel_does_not_tell_of_an_end(tells):
    finding = _check_pidfd(tells)
    assert finding.verdict == ("ok" if tells else "note")
    without = {command for command in ("why --wait", "run --report") if command in finding.found}
    assert without == (set() if tells else {"why --wait", "run --report"})
