#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The steps of tests/run.sh, once the packages are there. Standard library only."""

import argparse
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("DROVER_BUILD") or os.path.join(SOURCE, "build-ci"))
JOBS = os.cpu_count() or 1
FUZZ_SECONDS = 20
SANITIZE = ["-Db_sanitize=address,undefined"]
# Findings end the process, so that no test passes over one. Leaks are looked for wherever LeakSanitizer can work.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
}
BUILDS = {
    "gcc": ("gcc", []),
    "clang": ("clang", []),
    "asan": ("gcc", SANITIZE),
    "fuzz": ("clang", SANITIZE + ["-Db_lundef=false", "-Dfuzz=true"]),
}


class Count(collections.namedtuple("Count", "passed failed skipped")):
    def __add__(self, other):
        return Count(*(a + b for a, b in zip(self, other)))

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


NONE, PASSED, FAILED, SKIPPED = Count(0, 0, 0), Count(1, 0, 0), Count(0, 1, 0), Count(0, 0, 1)


def say(text):
    print(text, flush=True)


def check(name, command, quiet=True, **more):
    """Runs a command that is one check: its output is shown if it fails."""
    done = subprocess.run(command, cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if quiet else None,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    if done.returncode == 0:
        return PASSED
    say(f"FAILED {name}: {' '.join(command[:6])}{' ...' if len(command) > 6 else ''}: status {done.returncode}")
    if done.stdout:
        say(done.stdout.rstrip())
    return FAILED


# ---- builds and their tests


def build(name):
    """Configures and builds; a build is made once, whatever number of steps use it."""
    if name in build.done:
        return NONE
    compiler, options = BUILDS[name]
    directory = os.path.join(BUILD, name)
    env = dict(os.environ, CC=("ccache " if shutil.which("ccache") else "") + compiler)
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        shutil.rmtree(directory, ignore_errors=True)
        result = check(f"configure {name}", ["meson", "setup", directory, "-Dwerror=true", *options], env=env)
        if result != PASSED:
            return result
    result = check(f"build {name}", ["ninja", "-C", directory], env=env)
    if result == PASSED:
        build.done.add(name)
    return result


build.done = set()


def tap_count(output):
    """What a TAP program says of itself; to be trusted only along with the harness's own verdict."""
    count = NONE
    for line in output.splitlines():
        found = re.match(r"(not )?ok\b(.*)", line)
        if found:
            directive = re.search(r"#\s*(skip|todo)", found[2], re.IGNORECASE)
            count += SKIPPED if directive else FAILED if found[1] else PASSED
    return count


def skip_reasons(output):
    found = re.findall(r"^(?:1\.\.0|ok\b.*?) *# *skip *(.*)", output, re.IGNORECASE | re.MULTILINE)
    return sorted(set(reason.strip() for reason in found))


def meson_count(path, excuse):
    """Adds up what meson logged, one JSON object a test program."""
    count = NONE
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            output = test.get("stdout") or ""
            one = tap_count(output)
            reason = excuse(test) if excuse and test["result"] not in ("OK", "SKIP") else None
            if reason:
                say(f"skipped in {test['name']}: {reason}")
                count += Count(one.passed, 0, one.skipped + max(one.failed, 1))
                continue
            if test["result"] == "SKIP" and one == NONE:
                one = SKIPPED
            elif test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not one.failed:
                one += FAILED  # it crashed, timed out, or stopped short of its plan
            elif one == NONE:
                one = PASSED
            if one.failed:
                say(f"FAILED {test['name']}: {test['result']}, {one}")
            for reason in skip_reasons(output):
                say(f"skipped in {test['name']}: {reason}")
            count += one
    return count


def meson_test(name, label, suites, options=(), env=None, excuse=None):
    directory = os.path.join(BUILD, name)
    count = build(name)
    if count.failed:
        return count
    # With a wrapper meson puts its name behind ours.
    log = os.path.join(directory, "meson-logs", label + ("-valgrind" if "--wrap" in options else "") + ".json")
    if os.path.exists(log):
        os.unlink(log)
    command = ["meson", "test", "-C", directory, "--no-rebuild", "--logbase", label, "--print-errorlogs",
               "--num-processes", str(JOBS), *options]
    for suite in suites:
        command += ["--suite", suite]
    done = subprocess.run(command, cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", env={**os.environ, **(env or {})})
    if "No suitable tests defined" in done.stdout:
        return count
    if not os.path.exists(log):
        say(done.stdout.rstrip())
        return count + FAILED
    tests = meson_count(log, excuse)
    if tests.failed:
        say(done.stdout.rstrip())
    return count + tests


def step_gcc():
    return meson_test("gcc", "unit", ["unit"]) + meson_test("gcc", "property", ["property"], patience(1))


def step_clang():
    return meson_test("clang", "unit", ["unit"])


def step_asan():
    return (meson_test("asan", "unit", ["unit"], ["-t", "3"], SANITIZER_ENV) +
            meson_test("asan", "property", ["property"], patience(1), {**SANITIZER_ENV, "DROVER_ASAN": "1"}))


def valgrind_is_too_old(test):
    """The reason why a test cannot pass under this valgrind, whose own errors are never excused, but for the leaks of
    a test that gave up half-way; LeakSanitizer looks for those."""
    stderr = test.get("stderr") or ""
    unknown = sorted(set(re.findall(r"^--\d+-- WARNING: unhandled \S+ syscall: (\d+)", stderr, re.MULTILINE)))
    lost = r"\d[\d,]* (?:\([^)]*\) )?bytes in [\d,]+ blocks are definitely lost "
    errors = re.findall(rf"^==\d+== (?! |$|{lost})", stderr, re.MULTILINE)
    if not unknown or errors:
        return None
    return "this valgrind does not know system call " + ", ".join(unknown)


def step_valgrind():
    wrap = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite", "--suppressions=" + os.path.join(SOURCE, "tests", "valgrind.supp")]
    return meson_test("gcc", "valgrind", ["unit"], ["-t", "10", "--no-suite", "native", "--wrap", " ".join(wrap)],
                      {"DROVER_VALGRIND": "1"}, valgrind_is_too_old)


def patience(factor):
    """The long form of a suite may take twenty times as long."""
    return ["-t", str(factor * (20 if os.environ.get("DROVER_FULL") == "1" else 1))]


def step_system():
    return meson_test("gcc", "system", ["system"], patience(1))


def step_system_asan():
    return meson_test("asan", "system", ["system"], patience(3), {**SANITIZER_ENV, "DROVER_ASAN": "1"})


# ---- lint


def tracked(*patterns):
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns], cwd=SOURCE,
                            stdout=subprocess.PIPE, check=True, text=True)
    return [name for name in listed.stdout.split("\0") if name and os.path.exists(os.path.join(SOURCE, name))]


def compiled():
    """The tracked C files that the clang build compiles."""
    with open(os.path.join(BUILD, "clang", "compile_commands.json"), encoding="utf-8") as commands:
        files = {os.path.normpath(os.path.join(one["directory"], one["file"])) for one in json.load(commands)}
    return [name for name in tracked("*.c") if os.path.join(SOURCE, name) in files]


def sum_parallel(jobs):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return sum((job.result() for job in [pool.submit(*job) for job in jobs]), NONE)


def digest(names):
    """Of files' names and contents."""
    made = hashlib.sha256()
    for name in names:
        with open(os.path.join(SOURCE, name), "rb") as file:
            made.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return made.hexdigest()


def tidy(name, commands, context):
    """clang-tidy takes most of lint's time: a file that passed is not looked at again before it or a header changes."""
    mark = os.path.join(BUILD, "clang-tidy", digest([name]) + context)
    if os.path.exists(mark):
        return PASSED
    result = check("clang-tidy " + name, ["clang-tidy", "--quiet", "-p", commands, "--warnings-as-errors=*", name])
    if result == PASSED:
        os.makedirs(os.path.dirname(mark), exist_ok=True)
        with open(mark, "w", encoding="ascii"):
            pass
    return result


def lint_c():
    count = build("clang")
    if count.failed:
        return count
    commands = os.path.join(BUILD, "clang")
    context = digest(tracked("*.h", ".clang-tidy", "*meson.build", "meson_options.txt"))
    jobs = [(tidy, name, commands, context) for name in compiled()]
    jobs += [(check, "clang-format " + name, ["clang-format", "--dry-run", "--Werror", name])
             for name in tracked("*.c", "*.h")]
    cache = os.path.join(BUILD, "cppcheck")
    os.makedirs(cache, exist_ok=True)
    jobs.append((check, "cppcheck", [
        "cppcheck", "--quiet", f"-j{JOBS}", "--enable=warning,performance,portability", "--inline-suppr",
        "--error-exitcode=1", "--suppressions-list=tests/cppcheck.suppressions", "--cppcheck-build-dir=" + cache,
        "--project=" + os.path.join(commands, "compile_commands.json")]))
    return count + sum_parallel(jobs)


def is_shell(name):
    if name.endswith(".sh"):
        return True
    if "." in os.path.basename(name):
        return False
    with open(os.path.join(SOURCE, name), "rb") as file:
        return bool(re.match(rb"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b", file.readline(80)))


def lint_scripts():
    # Bundles in tests/data are input; some are broken on purpose.
    names = [name for name in tracked() if not name.startswith(("tests/data/", "tests/fuzz/corpus/"))]
    shells = [name for name in names if is_shell(name)]
    completion = [name for name in names if name.startswith("packaging/completion/")]
    jobs = [(check, "shellcheck " + name, ["shellcheck", "--external-sources", name]) for name in shells]
    jobs += [(check, "shellcheck " + name, ["shellcheck", "--shell=bash", name]) for name in completion]
    jobs += [(check, "pyflakes " + name, ["pyflakes3", name]) for name in names if name.endswith(".py")]
    jobs += [(check, "mandoc " + name, ["mandoc", "-T", "lint", "-W", "warning", name])
             for name in names if re.fullmatch(r"doc/man/[^/]+\.[1-9]", name)]
    return sum_parallel(jobs)


def step_lint():
    return lint_c() + lint_scripts()


# ---- fuzz


def floors():
    with open(os.path.join(SOURCE, "tests", "fuzz", "floors"), encoding="ascii") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {name: int(edges) for name, edges in lines}


def fuzz(target, floor, seconds):
    """Goes on from the committed corpus for a while; what it finds on the way is not kept, crashes are."""
    name = os.path.basename(target)[len("fuzz_"):]
    found = os.path.join(BUILD, "fuzz-run", name)
    shutil.rmtree(found, ignore_errors=True)
    os.makedirs(found)
    corpus = os.path.join(SOURCE, "tests", "fuzz", "corpus", name)
    dictionary = os.path.join(SOURCE, "tests", "fuzz", name + ".dict")
    command = [target, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
               f"-artifact_prefix={found}/", found, corpus]
    if os.path.exists(dictionary):
        command.append("-dict=" + dictionary)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, errors="replace", env={**os.environ, **SANITIZER_ENV})
    seed = re.search(r"INFO: Seed: (\d+)", done.stderr)
    covered = [int(edges) for edges in re.findall(r"\bcov: (\d+)", done.stderr)]
    runs = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    say(f"fuzz {name}: seed {seed[1] if seed else '?'}, {runs[-1] if runs else 0} runs in {seconds} s, "
        f"{max(covered, default=0)} edges (floor {floor})")
    if done.returncode != 0:
        say(f"FAILED fuzz {name}: status {done.returncode}, input kept in {found}")
        say(done.stderr[-6000:])
        return FAILED
    if floor is None:
        say(f"FAILED fuzz {name}: no floor in tests/fuzz/floors")
        return FAILED
    if max(covered, default=0) < floor:
        say(f"FAILED fuzz {name}: covers less than its floor")
        return FAILED
    return PASSED


def step_fuzz():
    count = build("fuzz")
    if count.failed:
        return count
    targets = sorted(glob.glob(os.path.join(BUILD, "fuzz", "tests", "fuzz", "fuzz_*")))
    targets = [path for path in targets if os.path.isfile(path) and os.access(path, os.X_OK)]
    floor = floors()
    names = {os.path.basename(path)[len("fuzz_"):] for path in targets}
    for name in sorted(set(floor) - names):
        say(f"FAILED fuzz {name}: has a floor, but there is no such target")
        count += FAILED
    return count + sum_parallel([(fuzz, path, floor.get(os.path.basename(path)[len("fuzz_"):]), FUZZ_SECONDS)
                                 for path in targets])


# ---- all


STEPS = {
    "gcc": step_gcc,
    "clang": step_clang,
    "asan": step_asan,
    "valgrind": step_valgrind,
    "lint": step_lint,
    "fuzz": step_fuzz,
    "system": step_system,
    "system-asan": step_system_asan,
}
GROUPS = {"unit": ["gcc", "clang", "asan", "valgrind"], "system": ["system", "system-asan"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("steps", nargs="*")
    options = parser.parse_args()
    if options.full:
        os.environ["DROVER_FULL"] = "1"
    wanted = [one for step in options.steps or STEPS for one in
              (GROUPS.get(step, [step]) if options.steps else [step])]
    os.makedirs(BUILD, exist_ok=True)
    total = NONE
    for step in STEPS:
        if step not in wanted:
            continue
        say(f"== {step}")
        began = time.monotonic()
        count = STEPS[step]()
        say(f"== {step}: {count} ({time.monotonic() - began:.0f} s)")
        total += count
    say(str(total))
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
