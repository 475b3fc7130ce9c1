import sys

from sigrec.cli import main

sys.exit(main())
