#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One script at a time, run by the library and the runner as the agent does it."""

import contextlib
import json
import os
import pwd
import re
import signal
import subprocess
import time

from drover import ASAN, Skip, case, find_program, is_alive, read, run_all, wait_until, write

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def find_programs():
    found = [find_program("hook_driver"), find_program("drover-hook")]
    if None in found:
        raise Skip("hook_driver or drover-hook is not built")
    return found


class Hook:
    """One script in a bundle of its own, and where its run is recorded."""

    def __init__(self, box, text=None, location="scripts/hook.sh", mode=0o755, name="bundle"):
        self.driver, runner = find_programs()
        self.libexec = os.path.dirname(runner)
        self.box = box
        self.location = location
        self.bundle = box.join(name)
        self.record = box.join("record")
        self.log_path = box.join("logs", "scripts.log")
        os.makedirs(self.bundle, exist_ok=True)
        if text is not None:
            write(os.path.join(self.bundle, location), text, mode)

    def arguments(self, **more):
        given = {"bundle_dir": self.bundle, "location": self.location, "record_dir": self.record,
                 "scripts_log": self.log_path, "deployments_log": self.box.join("deployments.log"), **more}
        env = given.pop("env", {})
        return ([self.driver] + [f"{name}={value}" for name, value in given.items()] +
                [f"env={name}={value}" for name, value in env.items()])

    def environment(self):
        return {"PATH": os.environ["PATH"], "DROVER_LIBEXEC_DIR": self.libexec, "SECRET": "of the agent"}

    def start(self, **more):
        return subprocess.Popen(self.arguments(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment())

    def run(self, timeout=60, **more):
        """The result, as a dictionary."""
        done = subprocess.run(self.arguments(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.environment(), timeout=timeout, check=False)
        assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def expect(self, code, *parts, **more):
        result = self.run(**more)
        assert result["code"] == code, result
        for part in parts:
            assert part in result["message"], result
        return result

    def lines(self):
        """scripts.log without its times."""
        lines = read(self.log_path).splitlines()
        assert all(re.match(STAMP, line) for line in lines), lines
        return [re.sub(STAMP, "", line) for line in lines]


@case
def both_streams_are_logged_and_the_last_line_is_ended(box):
    hook = Hook(box, "#!/bin/sh\necho one\necho two >&2\nsleep 0.1\nprintf end\n")
    result = hook.expect(0, "script scripts/hook.sh succeeded")
    lines = hook.lines()
    assert lines[:2] == ["LifecycleEvent - AfterInstall", "Script - scripts/hook.sh"], lines
    assert sorted(lines[2:]) == ["[stderr]two", "[stdout]end", "[stdout]one"], lines
    assert lines[-1] == "[stdout]end"
    assert result["log"] == "\n".join(lines) + "\n", result
    assert result["note"] is None and result["exit_status"] == 0


if __name__ == "__main__":
    run_all(needs=find_programs)
