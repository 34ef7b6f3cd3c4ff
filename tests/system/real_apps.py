#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real applications: one of npm's, with all it depends on, and a web site of many pages. Both are deployed, served and
looked at, deployed anew with one file changed, and rolled back.

They are fetched once, from the machine's npm registry and its Debian mirror, and kept below /var/cache/drover-tests
(or below $XDG_CACHE_HOME): together some 6 MB."""

import base64
import contextlib
import fcntl
import glob
import hashlib
import html.parser
import io
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request

from drover import ASAN, Agent, Skip, allow, case, is_alive, pack, read, run_all, tree, wait_until, write

HERE = os.path.dirname(os.path.abspath(__file__))
SLOW = 3 if ASAN else 1
MIN_FILES = 500


# ---- the web


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def fetch(port, path):
    """The body of a page; by no proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


class Links(html.parser.HTMLParser):
    """The pages and images that a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, _tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.found.add(value)


def visit_all(port, start):
    """Follows every link within the site; returns the pages that could be had, and those that could not."""
    waiting, seen, broken = [start], {}, []
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        try:
            seen[path] = fetch(port, path)
        except urllib.error.HTTPError as error:
            seen[path] = b""
            broken.append(f"{path}: {error.code}")
            continue
        if not path.endswith((".html", "/")):
            continue
        for link in Links(seen[path].decode(errors="replace")).found:
            target = urllib.parse.urlsplit(urllib.parse.urljoin(path, link))
            if not target.scheme and not target.netloc:
                waiting.append(target.path)
    return seen, broken


# ---- what is fetched


@contextlib.contextmanager
def cached(name):
    """A directory of the cache. If it is not there, the block is to fill the path with ".new" behind it."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or "/var/cache", "drover-tests")
    os.makedirs(cache, exist_ok=True)
    path = os.path.join(cache, name)
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(path + ".new", ignore_errors=True)
        yield path
        if not os.path.isdir(path):
            os.rename(path + ".new", path)


def run_or_skip(argv, what, **how):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=180, check=False, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skip(f"{what}: {error}") from None
    if done.returncode != 0:
        raise Skip(f"{what}: " + " ".join(done.stdout.split())[-200:])
    return done.stdout


def express_modules():
    """The path of express's node_modules, of exactly the versions in package-lock.json."""
    with open(os.path.join(HERE, "express", "package-lock.json"), "rb") as file:
        text = file.read()
    with cached("express-" + hashlib.sha256(text).hexdigest()[:12]) as path:
        if not os.path.isdir(path):
            if shutil.which("npm"):
                npm_install(path + ".new")
            else:
                unpack_modules(path + ".new", json.loads(text))
    return os.path.join(path, "node_modules")


def npm_install(path):
    os.mkdir(path)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "express", name), path)
    run_or_skip(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-timeout=30000"],
                "npm cannot install express", cwd=path)


def registry():
    """As npm would find it."""
    if os.environ.get("NPM_CONFIG_REGISTRY"):
        return os.environ["NPM_CONFIG_REGISTRY"].rstrip("/")
    for path in (os.path.expanduser("~/.npmrc"), "/etc/npmrc"):
        with contextlib.suppress(OSError):
            for line in read(path).splitlines():
                name, _, value = line.partition("=")
                if name.strip() == "registry":
                    return value.strip().rstrip("/")
    return "https://registry.npmjs.org"


def unpack_modules(path, lock):
    """What `npm ci` does, where there is no npm."""
    for place, package in lock["packages"].items():
        if not place:
            continue
        name = place.rpartition("node_modules/")[2]
        url = f"{registry()}/{name}/-/{os.path.basename(name)}-{package['version']}.tgz"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                data = answer.read()
        except OSError as error:
            raise Skip(f"cannot fetch {url}: {error}") from None
        kind, _, digest = package["integrity"].partition("-")
        assert hashlib.new(kind, data).digest() == base64.b64decode(digest), f"{url} is not what it was"
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive.getmembers():  # the directory is mostly called package/, but not always
                member.name = os.path.join(place, member.name.partition("/")[2])
                archive.extract(member, path, set_attrs=False)
        for command, target in package.get("bin", {}).items():
            commands = os.path.join(path, place.rpartition("node_modules/")[0], "node_modules", ".bin")
            os.makedirs(commands, exist_ok=True)
            os.symlink(os.path.join("..", name, target), os.path.join(commands, command))


def debian_faq():
    """The path of a real site of some 30 pages, with as many links beside them: what the package debian-faq ships."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Skip("needs apt-get and dpkg-deb")
    with cached("debian-faq") as path:
        if not os.path.isdir(path):
            os.makedirs(path + ".new/download")
            run_or_skip(["apt-get", "download", "-o", "APT::Sandbox::User=root", "debian-faq"],
                        "apt-get cannot download debian-faq", cwd=path + ".new/download")
            package = glob.glob(glob.escape(path) + ".new/download/*.deb")[0]
            subprocess.run(["dpkg-deb", "-x", package, path + ".new"], check=True)
    return os.path.join(path, "usr/share/doc/debian/FAQ")


# ---- bundles

STOP = """#!/bin/sh
# Ends what an earlier revision started, if it is there.
pidfile={run}/pid
[ -s "$pidfile" ] || exit 0
pid=$(cat "$pidfile")
kill "$pid" 2>/dev/null || true
for i in $(seq 100); do
    case $(ps -o stat= -p "$pid") in '' | Z*) break ;; esac
    sleep 0.1
done
rm -f "$pidfile"
"""
VALIDATE = """#!/bin/bash
for i in {1..100}; do
    curl --silent --fail --noproxy '*' --max-time 10 --output /dev/null "http://127.0.0.1:{port}{path}" && exit
    sleep 0.1
done
echo "no answer" >&2
exit 1
"""


class App:
    """An application under deployment: its bundle, and the processes it runs."""

    def __init__(self, box, target, start, check):
        self.box = box
        self.tool = Agent(box)
        self.port = free_port()
        self.run = box.join("run")
        self.target = target
        self.bundle = box.join("bundle")
        os.makedirs(self.run)
        scripts = {"stop": STOP, "start": start, "validate": VALIDATE}
        for name, text in scripts.items():
            text = text.replace("{run}", self.run).replace("{port}", str(self.port)).replace("{path}", check)
            write(os.path.join(self.bundle, "scripts", name + ".sh"), text.replace("{target}", target), 0o755)

    def appspec(self, source, destination, permissions=""):
        write(os.path.join(self.bundle, "appspec.yml"), f"""version: 0.0
os: linux
files:
  - source: {source}
    destination: {destination}
{permissions}hooks:
  ApplicationStop:
    - location: scripts/stop.sh
      timeout: 60
      runas: root
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 60
      runas: root
  ValidateService:
    - location: scripts/validate.sh
      timeout: 60
      runas: root
""")

    def deploy(self, kind):
        location = self.bundle
        if kind != "directory":
            location = pack(self.bundle, self.box.join(f"bundle-{time.monotonic_ns()}.{kind}"), kind)
        began = time.monotonic()
        self.tool.deploy(location, kind, timeout=120).expect(0)
        return time.monotonic() - began

    def pid(self):
        path = os.path.join(self.run, "pid")
        return int(read(path)) if os.path.exists(path) else None

    def end(self):
        pid = self.pid()
        if pid and is_alive(pid):
            os.kill(pid, signal.SIGTERM)
            if not wait_until(lambda: not is_alive(pid), 10):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.box.processes(), 5)


def content(path):
    """What a tree says, without owners and times: relative path -> (type, content or link target)."""
    return {name: (what[0], what[-1]) for name, what in tree(path).items()}


def inodes(path):
    return {os.path.join(above, name): os.lstat(os.path.join(above, name)).st_ino
            for above, _, names in os.walk(path) for name in names}


# ---- express

START_NODE = """#!/bin/bash
set -e
cd {target}
nohup setpriv --reuid=nobody --clear-groups node app.js >{run}/out.log 2>&1 </dev/null &
echo $! >{run}/pid
"""
PERMISSIONS = """permissions:
  - object: {target}
    pattern: "**"
    owner: nobody
    mode: 644
    type:
      - file
  - object: {target}
    pattern: "**"
    owner: nobody
    mode: 755
    type:
      - directory
"""


def express_app(box):
    if not shutil.which("node"):
        raise Skip("needs node")
    modules = express_modules()
    app = App(box, box.join("srv", "greeter"), START_NODE, "/health")
    shutil.copytree(modules, os.path.join(app.bundle, "node_modules"), symlinks=True)
    for name in ("app.js", "package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "express", name), app.bundle)
    write(os.path.join(app.bundle, "config.json"), json.dumps({"port": app.port}))
    write(os.path.join(app.bundle, "public", "robots.txt"), "User-agent: *\nDisallow:\n")
    release(app, 1)
    app.appspec("/", app.target, PERMISSIONS.format(target=app.target))
    return app


def release(app, number):
    write(os.path.join(app.bundle, "release.json"), json.dumps({"number": number, "greeting": f"Hello, {number}"}))


def is_running(app, number):
    assert json.loads(fetch(app.port, "/health")) == {"status": "up", "release": number}
    assert fetch(app.port, "/").decode() == f"<h1>Hello, {number}</h1>\n"
    assert fetch(app.port, "/static/robots.txt") == b"User-agent: *\nDisallow:\n"
    assert content(app.target) == content(app.bundle)
    assert os.readlink(os.path.join(app.target, "node_modules", ".bin", "mime")) == "../mime/cli.js"
    with open(f"/proc/{app.pid()}/cmdline", "rb") as file:
        assert b"app.js" in file.read()


def an_express_application(box, kind):
    allow(400)
    app = express_app(box)
    try:
        took = [app.deploy(kind)]
        files = sum(what[0] == "file" for what in tree(app.target).values())
        assert files >= MIN_FILES, files
        is_running(app, 1)
        nobody = pwd.getpwnam("nobody").pw_uid
        assert {what[2] for what in tree(app.target).values() if what[0] != "link"} == {nobody}
        before, first = inodes(app.target), app.pid()

        release(app, 2)
        took.append(app.deploy(kind))
        is_running(app, 2)
        assert app.pid() != first and not is_alive(first)
        after = inodes(app.target)
        changed = sorted(os.path.relpath(path, app.target) for path in after if after[path] != before.get(path))
        assert changed == ["release.json"], f"written again though the same: {changed[:10]}"

        app.tool.verb("rollback").expect(0)
        release(app, 1)
        is_running(app, 1)
        print(f"# {kind}: {files} files; deployed in {took[0]:.2f} s, with one changed in {took[1]:.2f} s", flush=True)
    finally:
        app.end()


@case
def express_is_deployed_updated_and_rolled_back_from_a_directory(box):
    an_express_application(box, "directory")


@case
def express_is_deployed_updated_and_rolled_back_from_a_zip(box):
    an_express_application(box, "zip")


@case
def express_is_deployed_updated_and_rolled_back_from_a_tgz(box):
    an_express_application(box, "tgz")


# ---- a site

NGINX = """daemon on;
pid {run}/pid;
error_log {run}/error.log;
worker_processes 1;
events { }
http {
    types { text/html html; text/css css; image/png png; text/plain txt; }
    access_log off;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    server {
        listen 127.0.0.1:{port};
        root {target};
    }
}
"""
START_NGINX = """#!/bin/sh
exec nginx -e {run}/error.log -c {run}/nginx.conf
"""


def faq_site(box):
    if not shutil.which("nginx"):
        raise Skip("needs nginx")
    faq = debian_faq()
    app = App(box, box.join("var", "www", "html"), START_NGINX, "/index.html")
    shutil.copytree(faq, os.path.join(app.bundle, "html"), symlinks=True)
    write(os.path.join(app.run, "nginx.conf"), NGINX.replace("{run}", app.run).replace("{port}", str(app.port))
          .replace("{target}", app.target))
    app.appspec("/html", app.target)
    return app


def is_served(app, pages):
    """Each page, by its name and by each link to it, is what the bundle has; every link in them leads somewhere."""
    found, broken = visit_all(app.port, "/index.html")
    assert not broken, broken
    assert len(found) >= 20, sorted(found)
    for path in pages:
        with open(os.path.join(app.bundle, "html", path), "rb") as file:
            assert fetch(app.port, "/" + path) == file.read(), path
    assert content(app.target) == content(os.path.join(app.bundle, "html"))


@case
def a_site_is_deployed_updated_and_rolled_back(box):
    allow(300)
    app = faq_site(box)
    try:
        app.deploy("directory")
        pages = sorted(name for name in os.listdir(app.target) if name.endswith(".html"))
        links = [name for name in pages if os.path.islink(os.path.join(app.target, name))]
        assert len(pages) >= 30 and links, pages
        is_served(app, pages)

        page = os.path.join(app.bundle, "html", os.readlink(os.path.join(app.target, links[0])))
        was = read(page)
        write(page, was.replace("</body>", "<p>Revised.</p></body>"))
        app.deploy("tgz")
        is_served(app, pages)
        assert b"Revised." in fetch(app.port, "/" + links[0])

        app.tool.verb("rollback").expect(0)
        write(page, was)
        is_served(app, pages)
        assert b"Revised." not in fetch(app.port, "/" + links[0])
    finally:
        app.end()


if __name__ == "__main__":
    run_all()
