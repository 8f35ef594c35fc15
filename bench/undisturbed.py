"""Processes that run before all others' for a while, so that a tail is what the server does and not what else the machine has to do."""
import os
import pathlib


def threads(pid):
    try:
        return [int(entry.name) for entry in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


class Undisturbed:
    """As a context: those processes, and what is started meanwhile, run at the lowest real-time priority where that is allowed (root)."""

    def __init__(self, pids):
        self.pids, self.allowed = pids, False

    def __enter__(self):
        try:
            self.set(os.SCHED_FIFO, 1)
            self.allowed = True
        except PermissionError:
            self.set(os.SCHED_OTHER, 0)
        return self

    def __exit__(self, *_):
        if self.allowed:
            self.set(os.SCHED_OTHER, 0)

    def set(self, policy, priority):
        for thread in [0] + [one for pid in self.pids for one in threads(pid)]:
            os.sched_setscheduler(thread, policy, os.sched_param(priority))

    def __str__(self):
        return "at real-time priority, undisturbed by other work" if self.allowed else "among whatever else the machine does"


def waited_ms(pid):
    """Milliseconds that its threads were ready to run and did not."""
    return sum(int(pathlib.Path(f"/proc/{pid}/task/{one}/schedstat").read_text().split()[1]) for one in threads(pid)) / 1e6
