"""Send a signal to another process: python send_signal.py PID [NAME]"""

import os
import signal
import sys

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
pid = int(sys.argv[1])
signum = signal.Signals[sys.argv[2]] if len(sys.argv) == 3 else signal.SIGTERM
os.kill(pid, signum)
print(f"Sent {signum.name} to PID {pid}.")
