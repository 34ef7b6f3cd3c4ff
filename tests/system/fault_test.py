#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fault program itself: what it counts, and that it strikes where it says."""

import os
import shutil
import sys

import faults

tap = faults.Tap()


def sh(script, *options):
    return faults.run(["sh", "-c", script], fault=list(options))


def check_counting(directory):
    os.chdir(directory)
    done = sh("exec 3>a; echo x >&3; echo y | cat >/dev/null; true <a; mkdir d")
    tap.ok(done.calls == 3 and done.status == 0,
           "creating, writing and making a directory count, pipes and reading do not",
           [done.report, done.text])
    done = sh("read x <a", "--reads")
    tap.ok(done.calls > 1, "with --reads reading counts", [done.report])
    os.mkdir("below")
    done = sh("echo x >b; echo x >below/b", f"--below={directory}/below")
    tap.ok(done.calls == 2, "with --below only paths below count", [done.report])
    done = sh("(setsid sh -c 'sleep 0.1; echo x >late' &)", "--linger=5000")
    tap.ok(done.calls == 2 and os.path.exists("late"), "a process that left its parent and session counts", [done.report])
    tap.ok(sh("exit 7").status == 7, "the exit status is the command's")
    tap.ok(sh("kill -TERM $$").status == 143, "death by a signal is passed on as a shell does")


def check_kills(directory):
    os.chdir(directory)
    script = "mkdir one; mkdir two; (setsid mkdir three); mkdir four"
    for n, names in enumerate(["one", "two", "three", "four"], 1):
        before = [name for name in ["one", "two", "three", "four"][:n - 1]]
        for how, want in (("kill", before), ("kill-after", before + [names])):
            done = sh(script, f"--{how}={n}")
            have = [name for name in ["one", "two", "three", "four"] if os.path.exists(name)]
            tap.ok(have == want and done.status == 137 and done.struck is not None,
                   f"--{how}={n} leaves what came before it", [done.report, str(have)])
            for name in have:
                os.rmdir(name)
    done = sh("mkdir one", "--kill=9")
    tap.ok(done.status == 0 and done.struck is None, "a call that is not reached changes nothing", [done.report])
    os.rmdir("one")


def check_errors(directory):
    os.chdir(directory)
    done = sh("mkdir one || mkdir two", "--error=1:ENOSPC")
    tap.ok(done.status == 0 and not os.path.exists("one") and os.path.exists("two") and "No space left" in done.text,
           "--error fails one call, which is not made", [done.report, done.text])
    done = sh("mkdir one; mkdir three; rmdir two", "--error=1+:ENOSPC")
    tap.ok(done.status == 0 and not os.path.exists("one") and not os.path.exists("three")
           and not os.path.exists("two"), "--error=N+ goes on for what needs space", [done.report, done.text])
    done = sh("sync -f .", "--error=1:EIO")
    tap.ok(done.status == 1 and "Input/output error" in done.text, "a sync can fail", [done.report, done.text])


def check_one_process(directory):
    """Of a tree only the processes of one name count, and a kill is theirs alone."""
    os.chdir(directory)
    script = "mkdir one; ln -s nowhere linked; mkdir two"
    done = sh(script, "--only=ln")
    tap.ok(done.calls == 1 and done.status == 0, "with --only the calls of others do not count", [done.report])
    for how in ("kill", "kill-after"):
        for name in ("one", "two"):
            os.rmdir(name)
        os.unlink("linked")
        done = sh(script, "--only=ln", f"--{how}=1")
        tap.ok(done.status == 0 and done.struck is not None and os.path.exists("two")
               and os.path.lexists("linked") == (how == "kill-after"),
               f"with --only --{how} the rest of the tree goes on", [done.report, done.text])
        if how == "kill":
            os.symlink("nowhere", "linked")
    sends = "import socket; a, b = socket.socketpair(); a.sendmsg([b'x']); a.send(b'y'); b.recv(9)"
    done = faults.run([sys.executable, "-c", sends], fault=["--sends", f"--below={directory}"])
    tap.ok(done.calls == 2 and done.status == 0, "with --sends what is sent counts, below or not", [done.report, done.text])


def check_lift(directory):
    """An error that stays ends with SIGUSR1."""
    os.chdir(directory)
    done = sh("mkdir one || echo full; kill -USR1 $(ps -o ppid= $$); sleep 0.2; mkdir two", "--error=1+:ENOSPC")
    tap.ok(done.text.endswith("full\n") and not os.path.exists("one") and os.path.exists("two"),
           "SIGUSR1 lifts an error that stays", [done.report, done.text])


def check_speed(directory):
    os.chdir(directory)
    done = sh("i=0; while [ $i -lt 20 ]; do sh -c : ; i=$((i + 1)); done; echo x >quick", "--kill=3")
    tap.ok(done.calls == 2, "many processes are followed", [done.report])


def main():
    directory = faults.scratch()
    try:
        for number, check in enumerate((check_counting, check_kills, check_errors, check_one_process, check_lift, check_speed)):
            place = os.path.join(directory, str(number))
            os.mkdir(place)
            check(place)
    finally:
        os.chdir("/")
        shutil.rmtree(directory)
    tap.leave()


if __name__ == "__main__":
    main()
