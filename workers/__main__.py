"""`python -P -m workers NAME`: a worker process. NAME is for `ps`; the specification comes on stdin."""

from __future__ import annotations

from workers.engines import host
from workers.platform.activity import device_activity
from workers.process import main

if __name__ == "__main__":
    main(host, device_activity)
