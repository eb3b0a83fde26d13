#!/usr/bin/env python3
"""A node, or its client, is killed at seeded points of deploys, activations, removals and collections. After each one
another start finds everything consistent, and nothing that was acknowledged is lost.

Points are calls that change something (crash_shim.c), so that a seed leads to the same ones. SELVEDGE_CRASH_POINTS is
how many there are on each backend, SELVEDGE_CRASH_SEED another seed."""

import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest

import crash
import harness
import s3_server

harness.require(harness.BINARY, crash.ECHO)

POINTS = int(os.environ.get("SELVEDGE_CRASH_POINTS", "12"))
SEED = int(os.environ.get("SELVEDGE_CRASH_SEED", "1"))
KEPT = 4  # versions
CONTENTS = [f"content {number}" * 1000 for number in range(4)]
DAY = 86_400
OPERATIONS = ("deploy", "deploy", "activate", "collect", "collect", "remove", "client")


class World:
    """A store with the app `site`, and what its clients know of it."""

    def __init__(self, test, folder, library, config, store):
        self.test, self.folder, self.library = test, folder, library
        self.store = store  # where its documents are files
        self.data = folder / "data"
        self.data.mkdir()
        (folder / "node.toml").write_text(config)
        self.page = crash.Page(folder / "page")
        self.client_page = crash.Page(folder / "client-page")
        self.random = random.Random(SEED)
        self.labels = {}     # of every version of the site, by number
        self.active = None   # the label that was acknowledged or seen last
        self.deploys = 0
        self.sizes = {}      # changes of each kind of operation
        self.reached = collections.Counter()
        self.node = None

    def start(self):
        self.page["remaining"] = 0
        self.stop()
        self.node = crash.Node(self.data, "--config", self.folder / "node.toml",
                               environment=self.page.environment(self.library, self.data))
        self.node.__enter__()

    def stop(self):
        if self.node is not None:
            self.node.__exit__()

    def command(self, *arguments, environment=None):
        """The answer, or None when it failed."""
        done = subprocess.run([harness.BINARY, *map(str, arguments), "--node", self.data / "admin.sock", "--json"],
                              capture_output=True, text=True, check=False, timeout=120, env=environment)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def arm(self, page, kind):
        page["count"] = 0
        page["after"] = self.random.randrange(3)
        page["remaining"] = self.random.randint(1, self.sizes[kind]) if kind in self.sizes else 0

    def deploy(self, app, label, **options):
        # Now and then a module that was not compiled before.
        module = label if self.random.randrange(6) == 0 else ""
        site = crash.write_site(self.folder, app, label, self.random.choice(CONTENTS), module)
        return self.command("deploy", site, **options)

    # Each operation: labels that may be active after it, which is one when it was acknowledged.

    def do_deploy(self, environment=None):
        self.deploys += 1
        label = f"label-{self.deploys}"
        self.coming = label
        done = self.deploy("site", label, environment=environment)
        if done is None:
            return {self.active, label}
        self.labels[done["version"]] = label
        return {label}

    def do_client(self):
        return self.do_deploy(self.client_page.environment(self.library, self.folder / "nothing"))

    def do_activate(self):
        number = self.random.choice(sorted(self.labels))
        done = self.command("app", "activate", "site", number)
        return {self.active, self.labels[number]} if done is None else {self.labels[number]}

    def do_remove(self):
        self.command("app", "delete", "other", "--yes")
        return {self.active}

    def do_collect(self):
        # As if the deploys so far had been days ago.
        before = time.time() - 3 * DAY
        for use in (self.store / "uses").glob("*"):
            os.utime(use, (before, before))
        self.command("cluster", "collect")
        self.may_be_pruned = True
        return {self.active}

    def operate(self, kind):
        """One operation, in which somebody dies."""
        if kind == "remove":
            self.deploy("other", "other")
        self.coming = None
        self.may_be_pruned = False
        page = self.client_page if kind == "client" else self.page
        self.arm(page, kind)
        armed = page["remaining"]
        allowed = getattr(self, f"do_{kind}")()
        if armed == 0 or page["remaining"] > 0:
            # It ended before: as many changes as it takes.
            self.sizes[kind] = max(page["count"], 1)
        else:
            self.reached[kind] += 1
        page["remaining"] = 0
        self.node.kill()
        return allowed

    def check_store(self):
        """Every version has its package, and that its blobs."""
        for document in self.store.glob("apps/*/versions/*"):
            version = json.loads(document.read_bytes().split(b"\n", 1)[1])
            package = version["package"]
            image = json.loads((self.store / "blobs" / package[:2] / package).read_bytes())
            for part in image["modules"] + image["volumes"]:
                blob = self.store / "blobs" / part["blob"][:2] / part["blob"]
                self.test.assertEqual(blob.stat().st_size, part["bytes"], document)

    def check_finished(self, folder):
        """What the start found there is gone; the new node may be writing something of its own."""
        left = set(os.listdir(folder)) if folder.is_dir() else set()
        deadline = time.monotonic() + 10
        while left and time.monotonic() < deadline:
            left &= set(os.listdir(folder))
        self.test.assertEqual(left, set(), folder)

    def check(self, allowed):
        """The state that a new start finds."""
        for folder in ("uploads", "store/.new", "store-cache/blobs/.new", "store-cache/documents/.new"):
            self.check_finished(self.data / folder)
        self.test.assertEqual([name for name in os.listdir(self.data / "artifacts")
                                if not name.endswith((".artifact", ".key"))], [])
        self.check_store()
        info = self.node.json("app", "info", "site")
        numbers = [version["version"] for version in info["versions"]]
        missing = [number for number in self.labels if number not in numbers]
        active = [entry["version"] for entry in info["active"]]
        newest = sorted(self.labels)[-KEPT:]
        if self.may_be_pruned:
            self.test.assertEqual([number for number in missing if number in newest or number in active], [])
        else:
            self.test.assertEqual(missing, [])
        for number in missing:
            del self.labels[number]
        for number in numbers:
            # A version that was not acknowledged is whole, or not there.
            wanted = self.labels.setdefault(number, self.coming)
            self.test.assertEqual(self.node.label(f"site--v{number}.localhost"), wanted, number)
        label = self.node.label("site.localhost")
        self.test.assertIn(label, allowed)
        self.test.assertEqual([self.labels[number] for number in active], [label])
        self.active = label
        for app in self.node.json("app", "list")["apps"]:
            for version in self.node.json("app", "info", app["name"])["versions"]:
                self.test.assertEqual(self.node.get(f"{app['name']}--v{version['version']}.localhost")[0], 200)

    def run(self, points):
        self.start()
        self.do_deploy()
        self.active = "label-1"
        for kind in sorted(set(OPERATIONS)):  # how many changes each one makes
            self.active, = self.operate(kind)
            self.start()
        for point in range(points):
            kind = self.random.choice(OPERATIONS)
            with self.test.subTest(point=point, kind=kind):
                try:
                    allowed = self.operate(kind)
                    self.start()
                    self.check(allowed)
                    # The next deploy works.
                    self.active, = self.do_deploy()
                    self.test.assertEqual(self.node.label("site.localhost"), self.active)
                except BaseException:
                    print(self.node.output()[-3000:])
                    raise


class CrashTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "nothing").mkdir()
        self.library = crash.build_shim(self.folder)

    def crash(self, name, config, store):
        world = World(self, self.folder, self.library, f"[store]\nversions_kept = {KEPT}\n{config}", store)
        self.addCleanup(world.stop)
        began = time.monotonic()
        world.run(POINTS)
        reached = ", ".join(f"{kind} {count}" for kind, count in sorted(world.reached.items()))
        print(f"crash: {name}: {POINTS} points, {world.reached.total()} in the middle of an operation ({reached}), "
              f"seed {SEED}, {time.monotonic() - began:.0f} s", flush=True)
        # Else nothing was proven.
        self.assertGreater(world.reached.total(), POINTS // 2)

    def test_a_store_in_a_folder(self):
        self.crash("folder", "", self.folder / "data/store")

    def test_a_store_in_s3(self):
        if not s3_server.PROGRAM.exists():
            self.skipTest(f"{s3_server.PROGRAM} does not exist (./dev setup)")
        s3_server.write_keys(self.folder)
        server = s3_server.S3Server(self.folder)
        server.start()
        self.addCleanup(server.stop)
        self.crash("S3", s3_server.config(server.port), server.bucket)


if __name__ == "__main__":
    unittest.main(verbosity=2)
