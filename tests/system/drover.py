# SPDX-License-Identifier: Apache-2.0
"""What the system suites share: finding and running the built programs, making bundles, reading what a deployment
left, and reporting in TAP. Python's standard library only; the suites run as root.

A suite is a file of functions marked @case, each given a fresh Box, and ends with run()."""

import contextlib
import glob
import io
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile

SOURCE = os.environ.get("DROVER_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("DROVER_BUILD_DIR") or os.path.join(SOURCE, "build"))
FULL = os.environ.get("DROVER_FULL") == "1"
ASAN = os.environ.get("DROVER_ASAN") == "1"
PROGRAMS = ("drover-agent", "codedeploy-local")
HELPERS = ("drover-hook", "drover-unpack")
CASE_SECONDS = 120

# The nine events that may have scripts, in their order; those of a first deployment, and of a later one.
EVENTS = ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeInstall", "AfterInstall",
          "ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic"]
FIRST = EVENTS[3:]
LOCAL_GROUP = "default-local-deployment-group"


class Skip(Exception):
    """Raised by a case that cannot run here; the text says why."""


# ---- programs


def find_program(name):
    """A built program; the build directory holds exactly one of that name."""
    for directory, _, names in os.walk(BUILD):
        if name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return None


class Result:
    """How a command ended, and what it printed."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def __str__(self):
        return f"{' '.join(self.argv)}\nstatus {self.status}\n-- stdout\n{self.out}-- stderr\n{self.err}"

    @property
    def text(self):
        return self.out + self.err

    def expect(self, status, *parts):
        """Fails the case unless the status is that, and each part is somewhere in what was printed."""
        allowed = status if isinstance(status, tuple) else (status,)
        assert self.status in allowed, f"status {self.status}, not {status}: {self}"
        for part in parts:
            assert part in self.text, f"nothing says {part!r}: {self}"
        return self


def environment(**more):
    env = {key: value for key, value in os.environ.items()
           if key in ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
    env.update(HOME="/root", LANG="C.UTF-8", DROVER_LIBEXEC_DIR=Programs.get().libexec, **more)
    return env


class Programs:
    """The built programs under the names they are installed by, in a directory of links."""

    made = None

    def __init__(self):
        found = {name: find_program(name) for name in (*HELPERS, "drover-agent")}
        for name, path in found.items():
            if not path:
                raise FileNotFoundError(f"{name} is not built in {BUILD}")
        self.directory = tempfile.mkdtemp(prefix="drover-programs-")
        self.libexec = os.path.join(self.directory, "libexec")
        os.mkdir(self.libexec)
        for name in HELPERS:
            os.symlink(found[name], os.path.join(self.libexec, name))
        for name in PROGRAMS:
            os.symlink(found["drover-agent"], os.path.join(self.directory, name))

    @classmethod
    def get(cls):
        if not cls.made:
            cls.made = cls()
        return cls.made

    @classmethod
    def done(cls):
        if cls.made:
            shutil.rmtree(cls.made.directory)
            cls.made = None

    def path(self, name):
        return os.path.join(self.directory, name)


def run(argv, timeout=60, cwd=None, env=None, stdin=None):
    """Runs one of our programs (by its name) or any other command to its end."""
    argv = [str(one) for one in argv]
    command = [Programs.get().path(argv[0]) if argv[0] in PROGRAMS else argv[0]] + argv[1:]
    # A file, not a pipe: what a hook leaves running may hold our streams open, and must not hold us.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(command, cwd=cwd, env=env or environment(), stdout=out, stderr=err,
                              stdin=stdin or subprocess.DEVNULL, timeout=timeout * (3 if ASAN else 1), check=False)
        out.seek(0)
        err.seek(0)
        return Result(argv, done.returncode, out.read().decode(errors="replace"),
                      err.read().decode(errors="replace"))


# ---- bundles


def write(path, content="", mode=None):
    """Writes a file and makes the directories above it. Returns the path."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    if mode is not None:
        os.chmod(path, mode)
    return path


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def pack(directory, path, kind, wrap=None):
    """Packs a directory as zip, tar, tgz, tar.zst or tar.xz, below a directory `wrap` if given. Returns the path."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for above, names, files in os.walk(directory):
                for name in sorted(names + files):
                    full = os.path.join(above, name)
                    zip_add(archive, full, os.path.join(wrap or "", os.path.relpath(full, directory)))
        return path
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(os.listdir(directory)):
            archive.add(os.path.join(directory, name), os.path.join(wrap or "", name))
    packer = {"tar": ["cat"], "tgz": ["gzip", "-c"], "tar.zst": ["zstd", "-q", "-c"], "tar.xz": ["xz", "-c"]}[kind]
    with open(path, "wb") as file:
        subprocess.run(packer, input=plain.getvalue(), stdout=file, check=True)
    return path


def zip_add(archive, full, name):
    st = os.lstat(full)
    info = zipfile.ZipInfo(name + ("/" if stat.S_ISDIR(st.st_mode) else ""), time.localtime(st.st_mtime)[:6])
    info.create_system = 3  # unix: the modes below count
    info.external_attr = st.st_mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    if stat.S_ISLNK(st.st_mode):
        archive.writestr(info, os.readlink(full))
    elif stat.S_ISDIR(st.st_mode):
        archive.writestr(info, b"")
    else:
        with open(full, "rb") as file:
            archive.writestr(info, file.read())


class Box:
    """A case's own directory: bundles, a place to deploy to, a state directory, and the agent's configuration."""

    def __init__(self, path):
        self.path = path
        self.target = os.path.join(path, "target")       # what the sample deploys to
        self.events_file = os.path.join(path, "events")  # where the sample's scripts say that they ran
        self.state = os.path.join(path, "state")         # --state-dir of drover-agent
        self.root = os.path.join(path, "root")           # root_dir of codedeploy-local
        self.config = os.path.join(path, "codedeployagent.yml")
        self.configure()

    def join(self, *names):
        return os.path.join(self.path, *names)

    def configure(self, **keys):
        keys = {"root_dir": self.root, "log_dir": self.join("log"), "pid_dir": self.join("pid"), **keys}
        write(self.config, "---\n" + "".join(f":{key}: {value}\n" for key, value in keys.items()))

    def events(self):
        """The sample's events that ran since the last call, in order."""
        if not os.path.exists(self.events_file):
            return []
        lines = read(self.events_file).splitlines()
        os.unlink(self.events_file)
        return lines

    def bundle(self, name="bundle", files=None, hooks=None, appspec=None, appspec_name="appspec.yml", behavior=None,
               extra="", tag=""):
        """Makes a bundle directory and returns its path.

        files: path in the bundle -> content; the sample's if None. Everything below www/ is deployed to the target.
        hooks: event -> script text, or a list of (location, script text, further yaml lines); by default each of
               the nine events has a script that notes its name, behind `tag`.
        appspec: the whole text instead."""
        directory = self.join(name)
        os.makedirs(directory)
        if files is None:
            files = {"www/index.html": f"<h1>{name}</h1>\n", "www/css/site.css": "body { color: black }\n",
                     "README": "sample\n", "LICENSE": "free\n", "notes/today.txt": "nothing new\n"}
        for path, content in files.items():
            write(os.path.join(directory, path), content, 0o644)
        if hooks is None:
            hooks = {event: self.note(tag) for event in EVENTS}
        lines = []
        for event, scripts in hooks.items():
            if isinstance(scripts, str):
                scripts = [(f"scripts/{event}.sh", scripts, "")]
            lines.append(f"  {event}:\n")
            for location, text, more in scripts:
                if text is not None:
                    write(os.path.join(directory, location), text, 0o755)
                lines.append(f'    - location: "{location}"\n')
                lines += [f"      {line}\n" for line in more.splitlines()]
        if appspec is None:
            appspec = "version: 0.0\nos: linux\n"
            if any(path.startswith("www/") for path in files):
                appspec += f"files:\n  - source: www\n    destination: {self.target}\n"
            if behavior:
                appspec += f"file_exists_behavior: {behavior}\n"
            appspec += extra + ("hooks:\n" + "".join(lines) if lines else "")
        write(os.path.join(directory, appspec_name), appspec)
        return directory

    def note(self, tag=""):
        """A script that notes its event."""
        return f'#!/bin/sh\necho "{tag}$LIFECYCLE_EVENT" >>{self.events_file}\n'

    def processes(self):
        """Processes that have this box in their command line or as their working directory: pid -> command line."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace")
                if self.path in command or self.path in os.readlink(f"/proc/{name}/cwd"):
                    found[int(name)] = command
        return found


class Tool:
    """One of the two ways to deploy by hand, under one set of words."""

    def __init__(self, box):
        self.box = box

    def deployments(self, group=None):
        """The paths of the group's deployment directories, oldest first."""
        parent = os.path.join(self.root, group or self.group)
        if not os.path.isdir(parent):
            return []
        found = [os.path.join(parent, name) for name in os.listdir(parent)]
        return sorted(found, key=lambda path: os.lstat(path).st_ctime_ns)

    def pointer(self, kind="last_successful_install", group=None):
        path = os.path.join(self.root, "deployment-instructions", f"{group or self.group}_{kind}")
        return read(path).rstrip("\n") if os.path.exists(path) else None

    def log(self):
        """The scripts.log of the newest deployment that has one."""
        logs = glob.glob(os.path.join(glob.escape(self.root), self.group, "*", "logs", "scripts.log"))
        return read(max(logs, key=lambda path: os.stat(path).st_ctime_ns)) if logs else ""


class Local(Tool):
    """codedeploy-local, as AWS's."""

    name = "codedeploy-local"
    group = LOCAL_GROUP

    @property
    def root(self):
        return self.box.root

    def deploy(self, location, kind=None, events=None, behavior=None, appspec=None, more=(), **how):
        argv = [self.name, "-l", location, "-c", self.box.config]
        argv += ["-t", kind] if kind else ["-t", "directory"]
        argv += ["-e", events] if events else []
        argv += ["-b", behavior] if behavior else []
        argv += ["-A", appspec] if appspec else []
        return run(argv + list(more), **how)


class Agent(Tool):
    """drover-agent deploy."""

    name = "drover-agent"

    @property
    def group(self):
        """By default the only one there is."""
        found = [name for name in os.listdir(self.root) if not name.startswith("deployment-")
                 and os.path.isdir(os.path.join(self.root, name))] if os.path.isdir(self.root) else []
        assert len(found) == 1, f"groups: {found}"
        return found[0]

    @property
    def root(self):
        return os.path.join(self.box.state, "deployment-root")

    def deploy(self, location, kind=None, events=None, behavior=None, appspec=None, more=(), **how):
        argv = [self.name, "deploy", "--bundle", location, "--state-dir", self.box.state]
        argv += ["--type", kind] if kind else []
        argv += ["--events", events] if events else []
        argv += ["--file-exists-behavior", behavior] if behavior else []
        argv += ["--appspec", appspec] if appspec else []
        return run(argv + list(more), **how)

    def verb(self, verb, *more, **how):
        return run([self.name, verb, "--state-dir", self.box.state, *more], **how)


# ---- what is on disk


def tree(path):
    """Everything below a directory: relative path -> (type, mode, uid, gid, mtime in ns, content or link target).
    Times of directories are left out: they follow from what happens in them."""
    found = {}
    for above, names, files in os.walk(path):
        for name in names + files:
            full = os.path.join(above, name)
            st = os.lstat(full)
            if stat.S_ISLNK(st.st_mode):
                what = ("link", 0, st.st_uid, st.st_gid, 0, os.readlink(full))
            elif stat.S_ISDIR(st.st_mode):
                what = ("directory", stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, 0, None)
            else:
                with open(full, "rb") as file:
                    what = ("file", stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, file.read())
            found[os.path.relpath(full, path)] = what
    return found


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def wait_until(what, seconds=10, step=0.02):
    """Polls until what() is true; says whether it became so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(step)
    return bool(what())


def is_alive(pid):
    """True while the process runs; one that ended and was not waited for does not count."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return not re.match(r"\d+ \(.*\) [ZX]", file.read())
    except OSError:
        return False


# ---- cases

CASES = []


def case(function):
    """Marks a case: its name, with blanks for underscores, states the behaviour."""
    CASES.append((function.__name__.replace("_", " "), function))
    return function


def case_with_both(function):
    """A case that holds for codedeploy-local and for drover-agent deploy: it is given the tool as second argument."""
    for tool in (Local, Agent):
        CASES.append((f"{function.__name__.replace('_', ' ')} ({tool.name})",
                      lambda box, tool=tool: function(box, tool(box))))
    return function


def on_alarm(_number, _frame):
    raise TimeoutError("the case took too long")


def allow(seconds):
    """Gives the running case that long, from now on."""
    signal.alarm(seconds * (3 if ASAN else 1))


def run_case(number, name, function):
    with tempfile.TemporaryDirectory(prefix="drover-system-") as path:
        os.chmod(path, 0o755)  # hooks that run as another user must get in
        box = Box(path)
        allow(CASE_SECONDS)
        try:
            function(box)
            # What the case has just killed may take a moment to be gone.
            assert wait_until(lambda: not box.processes(), 2), f"processes left running: {box.processes()}"
            print(f"ok {number} - {name}", flush=True)
            return True
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
            return True
        except Exception:  # pylint: disable=broad-except
            print(f"not ok {number} - {name}")
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()), flush=True)
            return False
        finally:
            signal.alarm(0)
            for pid in box.processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def why_no_private_mounts():
    """The reason why mounts cannot be kept from the rest of the machine, or None."""
    if not shutil.which("unshare"):
        return "needs unshare(1)"
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "true"], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return ("mounts cannot be made private here; in a chroot, bind its directory to itself first: "
                + done.stderr.strip())
    return None


def run_all(needs=None):
    """Runs the cases, or those whose names contain a word of the command line; the exit status is TAP's concern.
    needs: raises Skip unless there is what the suite runs; by default, the agent's programs."""
    wanted = [(name, function) for name, function in CASES
              if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return
    try:
        (needs or Programs.get)()
    except Skip as reason:
        print(f"1..0 # SKIP {reason}")
        return
    signal.signal(signal.SIGALRM, on_alarm)
    try:
        failed = sum(not run_case(number, name, function)
                     for number, (name, function) in enumerate(wanted, 1))
    finally:
        Programs.done()
    print(f"1..{len(wanted)}", flush=True)
    sys.exit(1 if failed else 0)
