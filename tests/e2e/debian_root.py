"""A bare Debian 12 in a folder, to install the package in: made once by debootstrap and kept below the cache folder.
Its programs run in a chroot, or below systemd as the first process of namespaces of its own (as a container's)."""

import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

import harness

SUITE = "bookworm"
CACHE = harness.FETCHED.parent / "debian"
BOOT_SECONDS_MAX = 60


def run_in_own_namespaces():
    """Starts this script anew where its mounts and processes are its own, and end with it."""
    if os.environ.get("SELVEDGE_OWN_NAMESPACES"):
        return
    if os.geteuid() != 0:
        harness.skip("making a Debian root needs root")
    for tool in ("debootstrap", "unshare", "nsenter", "cpack", "dpkg-deb"):
        if shutil.which(tool) is None:
            harness.skip(f"{tool} is not installed (./dev setup)")
    os.environ["SELVEDGE_OWN_NAMESPACES"] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                          "--mount-proc", sys.executable, "-B", *sys.argv])


def unique():
    """For names of files: process numbers are not, in namespaces of their own."""
    return os.urandom(8).hex()


def make_archive():
    """The root as a tar file; skips when it cannot be made."""
    archive = CACHE / f"{SUITE}-minbase.tar"
    if archive.exists():
        return archive
    work = CACHE / f"{SUITE}.new.{unique()}"
    (CACHE / "archives/partial").mkdir(parents=True, exist_ok=True)
    try:
        made = subprocess.run(["debootstrap", "--variant=minbase", SUITE, work], capture_output=True, text=True,
                              check=False)
        if made.returncode != 0:
            harness.skip("debootstrap cannot make a Debian root (is its mirror reachable?): "
                         + " / ".join((made.stdout + made.stderr).strip().splitlines()[-4:]))
        for file in (work / "var/cache/apt/archives").glob("*.deb"):
            file.rename(CACHE / "archives" / file.name)
        subprocess.run(["tar", "--one-file-system", "-C", work, "-cf", f"{work}.tar", "."], check=True)
        os.rename(f"{work}.tar", archive)
        return archive
    finally:
        shutil.rmtree(work, ignore_errors=True)


def copy_packages(source, target):
    """What is missing, as links where that is possible. Several tests may use the cache at once."""
    for package in source.glob("*.deb"):
        if not (target / package.name).exists():
            new = target / f"{package.name}.{unique()}"
            try:
                os.link(package, new)
            except OSError:
                shutil.copy(package, new)
            os.replace(new, target / package.name)


class DebianRoot:
    def __init__(self, folder):
        self.path = pathlib.Path(folder)
        self.path.mkdir()
        self.leader = None
        subprocess.run(["tar", "-C", self.path, "-xf", make_archive()], check=True)
        self.archives = self.path / "var/cache/apt/archives"
        copy_packages(CACHE / "archives", self.archives)
        subprocess.run(["mount", "-t", "proc", "proc", self.path / "proc"], check=True)
        (self.path / "etc/apt/apt.conf.d/90test").write_text(
            'APT::Install-Recommends "false";\nBinary::apt-get::APT::Keep-Downloaded-Packages "true";\n'
            'APT::Sandbox::User "root";\nDpkg::Options { "--force-unsafe-io"; };\n')

    def close(self):
        self.halt()
        # What is mounted must be gone before anything is removed.
        subprocess.run(["umount", self.path / "proc"], check=True)
        shutil.rmtree(self.path)

    def command(self, *arguments, user=None):
        """As it is run in there: in the namespaces of systemd when that has been booted."""
        userspec = ["--userspec", f"{user}:{user}"] if user else []
        enter = ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                 "--root", "env", "-C", "/"] if self.leader else ["chroot", *userspec, str(self.path)]
        return [*enter, *map(str, arguments)]

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C",
                "HOME": "/root"}

    def run(self, *arguments, check=True, user=None, timeout=120):
        done = subprocess.run(self.command(*arguments, user=user), env=self.environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")
        return done

    def fetch(self, *packages):
        """Into the cache: files (absolute paths in there) or names, with what they depend on."""
        done = self.run("apt-get", "install", "-qy", "--download-only", *packages, check=False, timeout=600)
        if "Failed to fetch" in done.stderr:
            raise unittest.SkipTest("the mirror of Debian's packages cannot be reached: " + done.stderr.strip()[-300:])
        copy_packages(self.archives, CACHE / "archives")

    def install(self, *packages):
        return self.run("apt-get", "install", "-qy", *packages, timeout=300)

    def boot(self):
        """systemd as the first process; later commands run below it. Its network is a loopback of its own."""
        script = pathlib.Path(__file__).with_name("debian_boot.sh")
        self.boot_log = open(self.path.parent / "boot.log", "wb")
        starter = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--propagation", "private", "--uts", "--ipc", "--net", "--cgroup", "--fork",
             "--kill-child", "bash", script, self.path], stdin=subprocess.DEVNULL, stdout=self.boot_log,
            stderr=self.boot_log)
        self.starter = starter
        deadline = time.monotonic() + BOOT_SECONDS_MAX
        while time.monotonic() < deadline:
            if starter.poll() is not None:
                break
            children = pathlib.Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text().split()
            if children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
                self.leader = int(children[0])
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.1)
        self.leader = None
        starter.kill()
        raise unittest.SkipTest("systemd does not boot in namespaces here: "
                                + (self.path.parent / "boot.log").read_text(errors="replace")[-600:])

    def halt(self):
        if self.leader:
            self.leader = None
            self.starter.kill()
            self.starter.wait()
            self.boot_log.close()
