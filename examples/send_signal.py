"""Send a signal to another process: python send_signal.py PID [NAME]"""

import os
import signal
import sys

try:
    target, name = [*sys.argv[1:], "SIGTERM"][:2]
    pid, signum = int(target), signal.Signals[name]
    if pid <= 0 or len(sys.argv) > 3:  # kill(2) sends to many processes for 0 or less
        raise ValueError
except (ValueError, KeyError):
    sys.exit(__doc__)
try:
    os.kill(pid, signum)
except (OSError, OverflowError) as error:
    sys.exit(f"PID {pid}: {error}")
print(f"Sent {signum.name} to PID {pid}.")
