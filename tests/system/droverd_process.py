#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""droverd as processes: what each may touch, who is started again and when, what the service manager hears, how it
ends; and the verbs around it. What it answers is for other suites."""

import concurrent.futures
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import drover
import droverd
from drover import Skip, case, read, run, run_all, wait_until, write

SLOW = 3 if drover.ASAN else 1
COMMANDS = "CodeDeployCommandService_v20141006"


def program():
    return drover.find_program("droverd")


def stranger():
    """A user that is not root and owns nothing."""
    return pwd.getpwnam("nobody")


# ---- looking at processes


def named(controller, name):
    return sorted(pid for pid, comm in controller.children().items() if comm == name)


def core_of(controller):
    found = named(controller, "droverd-core")
    assert len(found) == 1, controller.children()
    return found[0]


def sockets_of(pid):
    """The inodes of a process's sockets."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}"))
            if match:
                found.add(match.group(1))
    return found


def inodes_of(kind):
    """The inodes in a table of /proc/net: tcp, tcp6, udp, udp6, raw or unix."""
    with open(f"/proc/net/{kind}", encoding="ascii", errors="replace") as file:
        lines = file.read().splitlines()
    heads = lines[0].split()
    if kind == "unix":
        return {line.split()[6] for line in lines[1:] if len(line.split()) > 6}
    assert "inode" in heads, heads
    return {line.split()[9] for line in lines[1:] if len(line.split()) > 9}


def status_field(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return re.search(rf"^{name}:\s*(.*)$", file.read(), re.M).group(1)


# ---- looking from outside


def certificate_seen(controller):
    """The SHA-256 fingerprint of what openssl s_client is shown."""
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{controller.port}", "-CAfile",
                            controller.ca, "-verify_return_error"], stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=30, check=False)
    assert shown.returncode == 0, shown.stdout.decode() + shown.stderr.decode()
    made = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=shown.stdout,
                          capture_output=True, check=True)
    return made.stdout.decode().strip()


def issue_server_certificate(controller, days=30, names="DNS:localhost,IP:127.0.0.1"):
    """A new key and certificate of the fleet's authority in the place of the server's."""
    keys = os.path.join(controller.directory, "keys")
    key, request, made = (os.path.join(keys, name) for name in ("server.key.new", "server.csr", "server.pem.new"))
    extensions = write(os.path.join(keys, "server.ext"), f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    for argv in (["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
                 ["openssl", "req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", request],
                 ["openssl", "x509", "-req", "-in", request, "-CA", controller.ca, "-CAkey",
                  os.path.join(keys, "ca.key"), "-days", str(days), "-extfile", extensions, "-out", made]):
        subprocess.run(argv, check=True, capture_output=True)
    os.chmod(key, 0o600)
    os.rename(key, os.path.join(keys, "server.key"))
    os.rename(made, os.path.join(keys, "server.pem"))
    os.unlink(request)
    os.unlink(extensions)


class Host:
    """A registered host that asks for work by hand."""

    def __init__(self, controller, name="web-1"):
        arn = f"arn:aws:iam::{droverd.ACCOUNT}:user/{name}"
        made = controller.call("CreateKey", prefix="Drover_20261120", name=name, role="host", userArn=arn)
        controller.call("RegisterOnPremisesInstance", instanceName=name, iamUserArn=arn)
        self.arn = arn
        self.client = droverd.Client("127.0.0.1", controller.port, controller.ca, made["accessKeyId"],
                                     made["secretAccessKey"])

    def poll(self):
        """Blocks until it is answered; returns status and body."""
        body = json.dumps({"HostIdentifier": self.arn}).encode()
        status, _, text = self.client.send(f"{COMMANDS}.PollHostCommand", body, service="codedeploy-commands")
        return status, json.loads(text)


@contextlib.contextmanager
def parked(controller, count=3):
    """Polls that wait: a list of futures."""
    hosts = [Host(controller, f"web-{number}") for number in range(count)]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        polls = [pool.submit(host.poll) for host in hosts]
        time.sleep(0.5 * SLOW)
        assert not any(poll.done() for poll in polls), [poll.result() for poll in polls if poll.done()]
        yield polls


class Manager:
    """What a service manager would be told: the socket of NOTIFY_SOCKET."""

    def __init__(self, box):
        self.path = box.join("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.heard = []
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            self.heard += [(time.monotonic(), line) for line in self.socket.recv(8192).decode().splitlines()]

    def count(self, line, since=0.0):
        return sum(1 for when, one in list(self.heard) if one == line and when >= since)


def started(box, manager=None, watchdog_ms=0, **more):
    controller = droverd.Droverd(box, start=False, **more)
    if manager:
        controller.env["NOTIFY_SOCKET"] = manager.path
    if watchdog_ms:
        controller.env["WATCHDOG_USEC"] = str(watchdog_ms * 1000)
    controller.start()
    return controller


def ask(controller):
    """One request over a connection of its own."""
    client = droverd.Client("127.0.0.1", controller.port, controller.ca, controller.key, controller.secret)
    try:
        return client.call("ListApplications")
    finally:
        client.close()


# ---- what each process may touch


@case
def the_core_has_no_socket_of_the_network(box):
    with started(box) as controller:
        ask(controller)
        core = core_of(controller)
        sockets = sockets_of(core)
        assert sockets and sockets <= inodes_of("unix"), sockets
        for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
            assert not sockets & inodes_of(kind), kind
        # The doors have them; this looks at the same tables.
        listening = set().union(*(sockets_of(pid) for pid in named(controller, "drover-door")))
        assert listening & inodes_of("tcp"), listening


@case
def only_one_door_has_the_unix_socket_and_it_has_no_other(box):
    with started(box) as controller:
        with open("/proc/net/unix", encoding="ascii") as file:
            inode = re.search(rf"(\d+) {re.escape(controller.directory)}/droverd\.sock$", file.read(), re.M).group(1)
        holders = [pid for pid in named(controller, "drover-door") if inode in sockets_of(pid)]
        assert len(holders) == 1, holders
        assert not sockets_of(holders[0]) & (inodes_of("tcp") | inodes_of("tcp6"))
        assert len(named(controller, "drover-door")) > 1


@case
def neither_core_nor_parent_keeps_what_is_anothers(box):
    with started(box) as controller:
        ask(controller)
        inside = [os.readlink(f"/proc/{controller.process.pid}/fd/{name}")
                  for name in os.listdir(f"/proc/{controller.process.pid}/fd")]
        assert not any(path.startswith(controller.directory + "/") for path in inside), inside
        assert any(path.endswith("droverd.db") for path in (
            os.readlink(f"/proc/{core_of(controller)}/fd/{name}")
            for name in os.listdir(f"/proc/{core_of(controller)}/fd")))


@case
def the_memory_of_the_core_is_closed_to_its_own_user(box):
    user = stranger()
    controller = droverd.Droverd(box, start=False)
    for above, _, files in os.walk(controller.directory):
        for path in [above] + [os.path.join(above, name) for name in files]:
            os.chown(path, user.pw_uid, user.pw_gid)
    os.chmod(box.path, 0o755)
    os.chown(controller.log_path, user.pw_uid, user.pw_gid) if os.path.exists(controller.log_path) else None
    with controller:
        controller.start()
        core = core_of(controller)
        for pid in (controller.process.pid, *controller.children()):
            assert status_field(pid, "Uid").split() == [str(user.pw_uid)] * 4, status_field(pid, "Uid")
            assert status_field(pid, "Groups").split() in ([], [str(user.pw_gid)])
            assert int(status_field(pid, "CapEff"), 16) == 0
        peek = subprocess.run(["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                               "cat", f"/proc/{core}/environ"], capture_output=True, text=True, check=False)
        assert peek.returncode != 0 and "Permission denied" in peek.stderr, peek
        # What the service makes belongs to it, although root has started it.
        for name in ("droverd.db", "droverd.sock"):
            assert os.lstat(os.path.join(controller.directory, name)).st_uid == user.pw_uid, name


@case
def another_user_than_the_owner_is_refused(box):
    user = stranger()
    controller = droverd.Droverd(box, start=False)
    os.chmod(controller.directory, 0o755)
    os.chmod(controller.config, 0o644)
    run(["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", program(), "run", "--config",
         controller.config], env=controller.env).expect(1, "belongs to root: only that user, or root, can run it")


# ---- who is started again


@case
def a_door_that_dies_is_started_again(box):
    with started(box) as controller:
        before = named(controller, "drover-door")
        os.kill(before[0], signal.SIGKILL)
        assert wait_until(lambda: len(set(named(controller, "drover-door")) - {before[0]}) == len(before),
                          5 * SLOW), controller.children()
        assert set(before[1:]) < set(named(controller, "drover-door")), (before, controller.children())
        for _ in range(20):
            ask(controller)
        assert "died of signal 9 (Killed)" in controller.log()


@case
def every_door_may_die_at_once(box):
    with started(box) as controller:
        before = named(controller, "drover-door")
        for _ in range(3):
            for pid in named(controller, "drover-door"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            ask(controller)  # waits in the queue of the listener
        assert wait_until(lambda: len(named(controller, "drover-door")) == len(before), 5 * SLOW)
        assert core_of(controller)


@case
def a_door_that_cannot_be_started_is_tried_until_it_can(box):
    with started(box, settings="doors: 1\n") as controller:
        door = os.path.join(controller.libexec, "drover-door")
        os.rename(door, door + ".away")
        for pid in named(controller, "drover-door"):
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: "cannot start " + door in controller.log(), 5)
        os.rename(door + ".away", door)
        ask(controller)


@case
def when_the_core_dies_clients_wait_and_all_is_back(box):
    with started(box) as controller:
        controller.call("CreateApplication", applicationName="kept")
        for _ in range(3):
            before = controller.children()
            os.kill(core_of(controller), signal.SIGKILL)
            assert wait_until(lambda: not any(drover.is_alive(pid) for pid in before), 2 * SLOW)
            # From here on no client is refused: the listeners stay open.
            assert ask(controller)["applications"] == ["kept"]
            assert wait_until(lambda: len(controller.children()) == len(before)), controller.children()
            assert not set(before) & set(controller.children())
        assert controller.process.poll() is None
        assert "it is started again" in controller.log()


@case
def core_and_doors_do_not_outlive_the_parent(box):
    with started(box) as controller:
        children = list(controller.children())
        controller.process.kill()
        controller.process.wait()
        assert wait_until(lambda: not any(drover.is_alive(pid) for pid in children), 2 * SLOW), children
        controller.start()  # the socket that was left is no obstacle
        ask(controller)


@case
def what_cannot_run_says_why_and_ends(box):
    with droverd.Droverd(box, start=False) as controller:
        away = os.path.join(controller.directory, "keys/away.key")
        for key in "keys/signing.key", "keys/server.key":
            path = os.path.join(controller.directory, key)
            os.rename(path, away)
            refused = run([program(), "run", "--config", controller.config], env=controller.env)
            refused.expect(1, key, "before it was ready")
            assert "Segmentation" not in refused.err and "Abort" not in refused.err, refused
            os.rename(away, path)
        controller.start()
        run([program(), "run", "--config", controller.config], env=controller.env).expect(
            1, f"cannot listen at 127.0.0.1:{controller.port}: Address already in use (is another droverd running?")
    run([program(), "run", "--config", box.join("none.yml")], env=controller.env).expect(
        1, "cannot open the configuration", "droverd init makes one")


@case
def a_file_that_is_no_socket_is_left_alone(box):
    with droverd.Droverd(box, start=False) as controller:
        path = write(os.path.join(controller.directory, "droverd.sock"), "mine")
        run([program(), "run", "--config", controller.config], env=controller.env).expect(
            1, f"cannot listen at {path}: something else than a socket is there")
        assert read(path) == "mine"


# ---- reload


@case
def a_new_certificate_is_shown_while_polls_stay_parked(box):
    with started(box) as controller:
        old = certificate_seen(controller)
        with parked(controller) as polls:
            issue_server_certificate(controller)
            assert certificate_seen(controller) == old
            controller.process.send_signal(signal.SIGHUP)
            assert wait_until(lambda: certificate_seen(controller) != old, 5 * SLOW)
            time.sleep(0.3)
            assert not any(poll.done() for poll in polls)
            assert "read anew" in controller.log()
            controller.stop()
            assert [poll.result(5)[0] for poll in polls] == [200] * len(polls)


@case
def a_reload_with_mistakes_changes_nothing_and_says_so(box):
    with started(box) as controller:
        old = certificate_seen(controller)
        with open(os.path.join(controller.directory, "keys/server.pem"), "wb"):
            pass
        with open(controller.config, "a", encoding="utf-8") as file:
            file.write("long_pol: 3s\n")
        controller.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: "did you mean 'long_poll'?" in controller.log(), 5 * SLOW), controller.log()
        assert "the configuration is not taken, the one before stays in force" in controller.log()
        assert "the server's certificate is not taken, the one before stays in force" in controller.log()
        assert certificate_seen(controller) == old
        ask(controller)


@case
def what_cannot_change_while_it_runs_is_named(box):
    with started(box) as controller:
        with open(controller.config, "a", encoding="utf-8") as file:
            file.write("region: elsewhere\ndoors: 7\n")
        controller.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: "region changed; that counts from the next start on" in controller.log()
                          and "doors changed" in controller.log(), 5 * SLOW), controller.log()
        ask(controller)


# ---- the end


@case
def sigterm_answers_what_is_parked_and_ends_within_two_seconds(box):
    with started(box) as controller:
        with parked(controller) as polls:
            children = list(controller.children())
            took = controller.stop()
            for poll in polls:
                status, answer = poll.result(5)
                assert status == 200 and not answer.get("HostCommand"), (status, answer)
        assert took < 2 * SLOW, took
        assert not any(drover.is_alive(pid) for pid in children)
        assert not os.path.exists(os.path.join(controller.directory, "droverd.sock"))


@case
def a_core_that_hangs_does_not_hold_up_the_end(box):
    with started(box) as controller:
        children = list(controller.children())
        os.kill(core_of(controller), signal.SIGSTOP)
        took = controller.stop()
        assert took < 2 * SLOW, took
        assert not any(drover.is_alive(pid) for pid in children)


@case
def ctrl_c_is_an_end_in_order_too(box):
    with started(box) as controller:
        # As a terminal does: to all of them.
        for pid in (*controller.children(), controller.process.pid):
            os.kill(pid, signal.SIGINT)
        assert controller.process.wait(5 * SLOW) == 0, controller.log()


# ---- the service manager


@case
def the_service_manager_is_told_what_goes_on(box):
    manager = Manager(box)
    with started(box, manager) as controller:
        assert wait_until(lambda: manager.count("READY=1") == 1)
        controller.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: manager.count("RELOADING=1") == 1 and manager.count("READY=1") == 2)
        assert any(line.startswith("MONOTONIC_USEC=") for _, line in manager.heard)
        os.kill(core_of(controller), signal.SIGKILL)
        assert wait_until(lambda: manager.count("READY=1") == 3, 10 * SLOW)
        assert any("STATUS=the core died of signal 9" in line for _, line in manager.heard)
        controller.stop()
        assert manager.count("STOPPING=1") == 1


@case
def the_watchdog_hears_of_us_only_while_the_core_answers(box):
    manager = Manager(box)
    with started(box, manager, watchdog_ms=600) as controller:
        assert wait_until(lambda: manager.count("WATCHDOG=1") >= 3)
        core = core_of(controller)
        os.kill(core, signal.SIGSTOP)
        stopped = time.monotonic() + 0.3  # what was under way
        time.sleep(2)
        assert manager.count("WATCHDOG=1", since=stopped) == 0
        os.kill(core, signal.SIGCONT)
        assert wait_until(lambda: manager.count("WATCHDOG=1", since=stopped) >= 2)


def activated(controller, *sockets):
    argv = ["systemd-socket-activate"]
    for one in sockets:
        argv += ["--listen", one]
    for name in controller.env:
        argv += ["-E", name]
    argv += [os.path.join(controller.libexec, "droverd"), "run", "--config", controller.config]
    with open(controller.log_path, "ab") as log:
        return subprocess.Popen(argv, env=controller.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


@case
def sockets_of_the_service_manager_are_taken(box):
    if not shutil.which("systemd-socket-activate"):
        raise Skip("needs systemd-socket-activate")
    with droverd.Droverd(box, start=False) as controller:
        controller.process = activated(controller, f"127.0.0.1:{controller.port}",
                                       os.path.join(controller.directory, "droverd.sock"))
        assert wait_until(lambda: "Listening on" in controller.log())
        assert wait_until(controller.answers, 20)
        assert "Address already in use" not in controller.log()
        controller.stop()
        # It was not ours to remove.
        assert os.path.exists(os.path.join(controller.directory, "droverd.sock"))


@case
def a_socket_that_is_not_in_the_settings_is_refused(box):
    if not shutil.which("systemd-socket-activate"):
        raise Skip("needs systemd-socket-activate")
    with droverd.Droverd(box, start=False) as controller:
        port = droverd.free_port()
        process = activated(controller, f"127.0.0.1:{port}")
        assert wait_until(lambda: "Listening on" in controller.log())
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 5).close()
        assert process.wait(10 * SLOW) == 1
        assert f"systemd hands over a socket at 127.0.0.1:{port}, which is not one of listen" in controller.log()


@case
def the_unit_is_one(box):
    unit = os.path.join(drover.BUILD, "packaging/systemd/droverd.service")
    if not shutil.which("systemd-analyze") or not os.path.exists(unit):
        raise Skip("needs systemd-analyze and a configured build")
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={program()}", read(unit), flags=re.M)
    path = write(box.join("droverd.service"), re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    done = run(["systemd-analyze", "verify", path], env={"PATH": os.environ["PATH"]})
    assert done.status == 0 and not done.text.strip(), done


run_all(droverd.needs)
