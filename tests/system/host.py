# SPDX-License-Identifier: Apache-2.0
"""Hosts that boot a real systemd, by systemd-nspawn, with the built Drover installed.

A suite that uses them calls own_namespaces() first: it goes on in a mount and a process namespace of its own, so that
whatever ends the suite ends every host and every mount with it. What then is left, directories and control groups,
the next suite removes.

The root file system is made once by mmdebstrap (some 230 MB below /var/cache/drover-tests, or below $XDG_CACHE_HOME)
and never written; a host is an overlay on it."""

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

from drover import ASAN, BUILD, Result, Skip, find_program, wait_until, why_no_private_mounts

PACKAGES = ["systemd", "systemd-sysv", "dbus", "procps", "psmisc", "curl", "strace", "acl", "attr"]
# systemd-firstboot waits for a person; the others are of no use here, or write where they should not.
MASKED = ["systemd-firstboot.service", "console-getty.service", "getty.target", "systemd-ask-password-console.path",
          "systemd-ask-password-wall.path", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
          "apt-daily.timer", "apt-daily-upgrade.timer", "systemd-timesyncd.service", "e2scrub_all.timer",
          "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer"]
# nspawn mounts version 1 controllers read-only; systemd inside needs them to put processes into groups.
INIT = """#!/bin/sh
for one in /sys/fs/cgroup/*; do
    case ${one##*/} in systemd | unified | cpuset) continue ;; esac
    mount -o remount,bind,rw "$one" 2>/dev/null
done
exec /lib/systemd/systemd
"""
# What nsenter gives away and nspawn does not: among it the right to set the clock of the machine.
BOUNDING = ",".join("-" + name for name in (
    "sys_time", "sys_module", "sys_rawio", "sys_pacct", "ipc_lock", "sys_resource", "mac_override", "mac_admin",
    "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS = "/sys/fs/cgroup"
REBOOT = 133  # nspawn's exit status with --keep-unit
BOOT_SECONDS = 60
SCRATCH = "drover-hosts-"
SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


# ---- the suite's own namespaces


def own_namespaces():
    """Starts this program again in namespaces that end with it. To be called before anything else."""
    if os.environ.get("DROVER_OWN_NAMESPACES") or os.geteuid() != 0:
        die_with_parent()
        return
    if why_no_private_mounts():
        return  # Layers says it
    os.environ["DROVER_OWN_NAMESPACES"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
                          "private", sys.executable, *sys.argv])


def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


# ---- the layers below a host's own


class Layers:
    """The base root, and on it the installed programs; made once a run. Removed by close()."""

    def __init__(self):
        reason = why_no_private_mounts()
        if reason:
            raise Skip(reason)
        for program in ("unshare", "nsenter", "setpriv", "systemd-nspawn", "mmdebstrap", "meson", "ldd"):
            if not shutil.which(program):
                raise Skip(f"needs {program}")
        if not find_program("drover-agent"):
            raise Skip(f"drover-agent is not built in {BUILD}")
        remove_leftovers()
        self.base = base_root()
        self.directory = tempfile.mkdtemp(prefix=SCRATCH)
        self.lock = hold(os.path.join(self.directory, "lock"), fcntl.LOCK_EX)
        self.drover = os.path.join(self.directory, "drover")
        self.hosts = 0
        try:
            self.prefix = install(self.drover)
            add_libraries(self.drover, self.base)
        except BaseException:
            self.close()
            raise

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        remove_cgroups(os.path.basename(self.directory))
        os.close(self.lock)


def hold(path, how):
    """The descriptor of a file that is locked until it is closed, or None if it is locked already."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def remove_leftovers():
    """Of suites that were killed: nobody holds their lock."""
    for directory in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), SCRATCH + "*")):
        with contextlib.suppress(OSError):
            lock = hold(os.path.join(directory, "lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock is not None:
                remove_cgroups(os.path.basename(directory))
                shutil.rmtree(directory, ignore_errors=True)
                os.close(lock)


def release():
    """The names of the distribution and of its release, as in /etc/os-release."""
    with contextlib.suppress(OSError):
        found = platform.freedesktop_os_release()
        return found.get("ID", ""), found.get("VERSION_CODENAME", "")
    return "", ""


def sources(codename):
    """The machine's own package sources for its release, as lines of sources.list; none: mmdebstrap's defaults."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
                             "Created-By: Packages"], stdout=subprocess.PIPE, text=True, check=False).stdout
    lines = {line for line in listed.splitlines()
             if re.fullmatch(rf"\S+ {re.escape(codename)}(-updates|-security)? (main|universe)", line)}
    return "".join(f"deb {line}\n" for line in sorted(lines))


def apt_options():
    """What a site's apt needs to reach its mirror, and nothing else of its configuration."""
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return [line for line in dump.splitlines() if re.match(r"Acquire::(https?|Check)\S* \".+\";$", line)]


def base_root():
    """The path of the base root, made if it is not there yet."""
    distribution, codename = release()
    if distribution not in ("debian", "ubuntu") or not codename:
        raise Skip(f"makes hosts of Debian and Ubuntu only, not of {distribution or 'this system'}")
    recipe = json.dumps([codename, PACKAGES, MASKED, INIT])
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or "/var/cache", "drover-tests")
    os.makedirs(cache, exist_ok=True)
    path = os.path.join(cache, f"host-{codename}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}")
    lock = hold(path + ".lock", fcntl.LOCK_EX)
    try:
        if not os.path.isdir(path):
            make_base_root(path + ".new", codename)
            os.rename(path + ".new", path)
    finally:
        os.close(lock)
    return path


def make_base_root(path, codename):
    shutil.rmtree(path, ignore_errors=True)
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES)]
    argv += [f"--aptopt={line}" for line in apt_options()]
    listed = sources(codename)
    done = subprocess.run([*argv, codename, path, *(["-"] if listed else [])], input=listed, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
    if done.returncode != 0:
        shutil.rmtree(path, ignore_errors=True)
        raise Skip("mmdebstrap could not make a root: " + " ".join(done.stdout.split())[-300:])
    for unit in MASKED:
        os.symlink("/dev/null", os.path.join(path, "etc/systemd/system", unit))
    os.makedirs(os.path.join(path, "var/log/journal"), exist_ok=True)
    put(os.path.join(path, "drover-test-init"), INIT, 0o755)


def put(path, content, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(path, mode)


def install(layer):
    """Installs the build into the layer; returns the prefix."""
    done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", layer],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    assert done.returncode == 0, "meson install: " + done.stdout
    agents = glob.glob(glob.escape(layer) + "/**/drover-agent", recursive=True)
    agents = [path for path in agents if os.access(path, os.X_OK) and not os.path.isdir(path)]
    assert agents, "meson install installs no drover-agent"
    return os.path.dirname(os.path.dirname(agents[0]))[len(layer):]


def add_libraries(layer, base):
    """Copies the libraries that the base lacks, under the paths by which the loader finds them here."""
    for above, _, names in os.walk(layer):
        for name in names:
            path = os.path.join(above, name)
            if os.path.islink(path) or not os.access(path, os.X_OK):
                continue
            listed = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                    check=False).stdout
            for library in re.findall(r"=> (/\S+)", listed):
                # /lib is a link to /usr/lib in the base; a directory of that name above it would hide all that.
                target = re.sub(r"^/lib", "/usr/lib", library)
                if not os.path.exists(base + target) and not os.path.exists(layer + target):
                    os.makedirs(os.path.dirname(layer + target), exist_ok=True)
                    shutil.copy2(library, layer + target)


# ---- control groups


def has_version_1():
    return os.path.isdir(os.path.join(CGROUPS, "systemd"))


def cgroup_parents():
    """Where a host gets a group of its own. A machine that runs systemd gives it a scope itself."""
    if os.path.isdir("/run/systemd/system"):
        return []
    if not has_version_1():
        return [CGROUPS]
    names = ("systemd", "unified", "memory", "pids", "cpu", "cpuacct", "freezer", "blkio", "devices")
    return [os.path.join(CGROUPS, name) for name in names if os.path.isdir(os.path.join(CGROUPS, name))]


def remove_cgroups(name):
    for parent in cgroup_parents():
        for above, names, _ in os.walk(os.path.join(parent, name), topdown=False):
            for one in names:
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.join(above, one))
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(parent, name))


# ---- hosts


class Host:
    """One host. `cgroups`: "unified"; or, where the machine has version 1, "hybrid" or "legacy", with writable
    controllers."""

    def __init__(self, layers, cgroups="unified"):
        self.cgroups = cgroups
        if cgroups != "unified" and not has_version_1():
            raise Skip("this machine has no control groups of version 1")
        layers.hosts += 1
        self.directory = os.path.join(layers.directory, str(layers.hosts))
        self.id = hashlib.sha256(self.directory.encode()).hexdigest()[:32]
        self.name = f"drover-{layers.hosts}-{self.id[:6]}"  # unlike those of another suite that runs meanwhile
        self.group = os.path.join(os.path.basename(layers.directory), self.name)
        self.prefix = layers.prefix
        self.root = os.path.join(self.directory, "root")
        self.console = os.path.join(self.directory, "console.log")
        self.nspawn = None
        self.leader = None
        upper, work = os.path.join(self.directory, "upper"), os.path.join(self.directory, "work")
        for path in (self.root, upper, work):
            os.makedirs(path)
        mounted = subprocess.run(["mount", "-t", "overlay", "drover-test", "-o",
                                  f"lowerdir={layers.drover}:{layers.base},upperdir={upper},workdir={work}", self.root],
                                 stderr=subprocess.PIPE, text=True, check=False)
        if mounted.returncode != 0:
            raise Skip("cannot mount an overlay: " + mounted.stderr.strip())
        put(os.path.join(self.root, "etc/hostname"), self.name + "\n")
        put(os.path.join(self.root, "etc/machine-id"), self.id + "\n")

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, _value, _trace):
        if kind and not issubclass(kind, Skip):
            self.report()
        self.close()

    # Life and death

    def boot(self):
        """Starts systemd and waits until it says that it is up."""
        unified = self.cgroups == "unified"
        argv = ["systemd-nspawn", "--quiet", "--register=no", f"--machine={self.name}", f"--uuid={self.id}", "-D",
                self.root, "--kill-signal=SIGRTMIN+3", "--private-network", "--resolv-conf=off", "--timezone=off",
                "--link-journal=no", "--console=read-only"]
        argv += ["--keep-unit"] if cgroup_parents() else []
        argv += ["/lib/systemd/systemd"] if unified else ["/drover-test-init"]
        env = {"PATH": os.environ["PATH"]}
        if self.cgroups != "hybrid":
            env["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1" if unified else "0"
        groups = [os.path.join(parent, self.group) for parent in cgroup_parents()]
        for group in groups:
            os.makedirs(group, exist_ok=True)

        def enter_groups():
            die_with_parent()
            for group in groups:
                with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
                    file.write("0")

        with open(self.console, "ab") as console:
            self.nspawn = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=env,
                                           preexec_fn=enter_groups)
        self.await_systemd()

    def await_systemd(self):
        # nspawn's first child is not yet systemd: it makes the mounts, and starts it.
        assert wait_until(lambda: self.find_leader() and os.path.exists(
            f"/proc/{self.leader}/root/run/systemd/private"), BOOT_SECONDS), "systemd does not listen"
        state = self.exec("systemctl", "is-system-running", "--wait", timeout=BOOT_SECONDS)
        assert state.out.strip() == "running", f"{state}{self.exec('systemctl', '--failed').out}"

    def find_leader(self):
        assert self.nspawn.poll() is None, f"systemd-nspawn ended with {self.nspawn.returncode}"
        with open(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children", encoding="ascii") as file:
            children = file.read().split()
        self.leader = int(children[0]) if children else None
        return self.leader is not None

    def await_end(self, seconds=60):
        try:
            return self.nspawn.wait(seconds)
        finally:
            self.leader = None

    def reboot(self):
        """As an administrator does it."""
        before = self.boot_id()
        leader = self.leader
        self.exec("systemctl", "reboot", "--no-block").expect(0)
        if cgroup_parents():
            assert self.await_end() == REBOOT, "no reboot"
            self.boot()
        else:  # nspawn itself starts the next one
            assert wait_until(lambda: self.find_leader() and self.leader != leader, BOOT_SECONDS), "no reboot"
            self.await_systemd()
        assert self.boot_id() != before

    def power_cut(self):
        """Every process ends at once. What was written stays, synced or not: the kernel is not ours to cut."""
        os.kill(self.leader, 9)
        self.await_end()

    def boot_id(self):
        return self.exec("cat", "/proc/sys/kernel/random/boot_id").expect(0).out.strip()

    def close(self):
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.leader, 9)
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait(20)
        subprocess.run(["umount", "--lazy", self.root], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        for parent in cgroup_parents():
            remove_cgroups(os.path.relpath(os.path.join(parent, self.group), parent))

    def report(self):
        """What helps to understand a failure, as TAP diagnostics."""
        with open(self.console, encoding="utf-8", errors="replace") as file:
            console = file.read().splitlines()[-40:]
        log = subprocess.run(["chroot", self.root, "journalctl", "--no-pager", "-q", "-n", "150", "-o",
                              "short-monotonic"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", check=False)
        for line in [f"---- console of {self.name} ({self.cgroups})", *console, "---- its journal",
                     *log.stdout.splitlines()]:
            print("# " + line)

    # Commands

    def exec(self, *argv, timeout=60, stdin=None):
        """Runs a command inside beside systemd: no unit, no part of its groups."""
        argv = [str(one) for one in argv]
        command = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", "env",
                   "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", *sanitizer_settings(), "setpriv",
                   f"--bounding-set={BOUNDING}", *argv]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(command, stdout=out, stderr=err, stdin=stdin or subprocess.DEVNULL,
                                  timeout=timeout * (3 if ASAN else 1), check=False)
            out.seek(0)
            err.seek(0)
            return Result(argv, done.returncode, out.read().decode(errors="replace"),
                          err.read().decode(errors="replace"))

    def run(self, *argv, properties=(), timeout=60):
        """Runs a command as a unit of systemd's, as everything that is not a test runs, and returns how it ended."""
        settings = [f"--setenv={one}" for one in ("HOME=/root", "LANG=C.UTF-8", *sanitizer_settings())]
        result = self.exec("systemd-run", "--quiet", "--pipe", "--wait", "--collect", *settings,
                           *[f"--property={one}" for one in properties], "--", *argv, timeout=timeout)
        result.argv = [str(one) for one in argv]
        return result

    def start(self, unit, *argv, properties=()):
        """Starts a command as a unit of that name and does not wait; what it says goes to the journal."""
        settings = [f"--setenv={one}" for one in ("HOME=/root", "LANG=C.UTF-8", *sanitizer_settings())]
        self.exec("systemd-run", "--quiet", f"--unit={unit}", *settings,
                  *[f"--property={one}" for one in properties], "--", *argv).expect(0)

    def unit(self, name, *properties):
        """Properties of a unit."""
        shown = self.exec("systemctl", "show", name, *[f"--property={one}" for one in properties]).expect(0).out
        return dict(line.split("=", 1) for line in shown.splitlines())

    def journal(self, *matches):
        """The messages that match, oldest first."""
        self.exec("journalctl", "--sync")
        listed = self.exec("journalctl", "--no-pager", "-q", "-o", "json", *matches).expect(0).out
        return [json.loads(line) for line in listed.splitlines()]

    def pids(self, pattern):
        """Of the processes inside whose command line matches, as numbered inside."""
        return [int(pid) for pid in self.exec("pgrep", "-f", "--", pattern).out.split()]

    # Files

    def path(self, inside):
        """Where a file of the host is seen from here. Not below /run, /tmp and /dev: the host mounts its own."""
        return self.root + inside

    def exists(self, inside):
        return os.path.lexists(self.path(inside))

    def read(self, inside):
        with open(self.path(inside), encoding="utf-8", errors="replace") as file:
            return file.read()

    def await_file(self, inside, seconds=20):
        """Waits until the file is there and not empty."""
        path = self.path(inside)
        assert wait_until(lambda: os.path.exists(path) and os.stat(path).st_size, seconds), f"no {inside}"


def sanitizer_settings():
    return [f"{name}={os.environ[name]}" for name in SANITIZERS if name in os.environ]
