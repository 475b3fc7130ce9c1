"""What the programs of test_sandbox begin with: deny(NUMBERS, ACTION), as a sandbox does: by prctl(2),
or, as libseccomp does, by syscall(2)."""

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
KILL, TRAP, EPERM, ENOSYS = 0x80000000, 0x30000, 0x50001, 0x50026


def deny(numbers, action, by_syscall=False):
    code = [(0x20, 0, 0, 0)]
    code += [(0x15, len(numbers) - i, 0, n) for i, n in enumerate(numbers)]
    code += [(6, 0, 0, 0x7FFF0000), (6, 0, 0, action)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text))
    )
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    if by_syscall:
        assert libc.syscall(317, 1, 0, program) == 0, ctypes.get_errno()
    else:
        assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()


def sender(code):  # in another process, that tells nobody else
    if os.fork() == 0:
        parent = os.getppid()
        os.close(w)
        os.read(r, 1)
        if parent > 1:
            exec(code)
        os._exit(0)


r, w = os.pipe()
