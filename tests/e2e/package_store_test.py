#!/usr/bin/env python3
"""Packages in the store of a node: published, pulled, deployed and run by name; dependencies; signatures."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import guide
import harness

TERMINAL = harness.GUESTS / "terminal.wasm"
GUIDE = harness.SOURCE / "docs/guide-packages.md"
ECHO = harness.GUESTS / "wcgi_echo.wasm"
SHELL = harness.SOURCE / "examples/shell"
harness.require(harness.BINARY, TERMINAL, ECHO, SHELL / "shell.wasm", SHELL / "tools.wasm")


class PackageCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.node = self.enterContext(harness.Node(self.folder / "node"))
        self.environment = {"SELVEDGE_NODE": str(self.node.data / "admin.sock")}

    def package(self, name, version, files=(), modules=(), text="", dependencies=()):
        """A folder of its own; `modules`: (name, file)."""
        folder = self.folder / f"{name.replace('/', '-')}-{version}"
        folder.mkdir()
        manifest = f'[package]\nname = "{name}"\nversion = "{version}"\n'
        if dependencies:
            manifest += "[dependencies]\n" + "".join(f'"{other}" = "{range_}"\n' for other, range_ in dependencies)
        for path, content in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        for module, source in modules:
            shutil.copy(source, folder / f"{module}.wasm")
            manifest += f'[[module]]\nname = "{module}"\nsource = "{module}.wasm"\n'
        (folder / "wasmer.toml").write_text(manifest + text)
        return folder

    def publish(self, folder, *options):
        return self.node.json("package", "publish", folder, *options)

    def fault(self, *words):
        """The one sentence of a command that fails."""
        done = self.node.command(*words)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def run_package(self, target, *words, **options):
        return harness.run(target, "--", *words, env=self.environment, **options)

    def web(self, version, greeting="hello"):
        return self.package("ada/web", version, [("www/greeting", greeting)], [("echo", ECHO)],
                            '[fs]\n"/www" = "www"\n[[command]]\nname = "web"\nmodule = "echo"\nrunner = "wcgi"\n')

    def app(self, package, name="site"):
        folder = self.folder / f"app-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "app.yaml").write_text(f"kind: wasmer.io/App.v0\nname: {name}\npackage: {package}\n")
        return folder


class StoreTest(PackageCase):
    def test_a_version_is_published_once(self):
        self.assertIn("No packages yet", self.node.command("package", "list").stdout)
        folder = self.web("1.0.0")
        first = self.publish(folder)
        self.assertEqual((first["name"], first["version"]), ("ada/web", "1.0.0"))
        self.assertEqual(self.publish(folder), first)
        (folder / "www/greeting").write_text("changed")
        self.assertIn("ada/web 1.0.0 is published already, with other content",
                      self.fault("package", "publish", folder))
        self.assertEqual(self.node.json("package", "list"), {"packages": [{"name": "ada/web", "versions": ["1.0.0"]}]})
        self.assertEqual(self.node.json("package", "info", "ada/web")["versions"], [first])
        self.assertIn("not signed", self.node.command("package", "info", "ada/web").stdout)
        self.assertIn("there is no package ada/other", self.fault("package", "info", "ada/other"))

    def test_pull_makes_the_package_again(self):
        self.publish(self.web("1.0.0"))
        self.publish(self.web("1.1.0", "hello again"))
        for reference, version in (("ada/web", "1.1.0"), ("ada/web@=1.0.0", "1.0.0"), ("ada/web@~1.1", "1.1.0")):
            file = self.folder / "pulled.webc"
            self.assertEqual(self.node.json("package", "pull", reference, "-o", file)["version"], version)
            told = json.loads(subprocess.run([harness.BINARY, "package", "inspect", "--json", file],
                                             capture_output=True, text=True, check=True).stdout)
            self.assertEqual((told["name"], told["version"]), ("ada/web", version))
            self.assertEqual(told["volumes"][0]["files"][0]["path"], "/greeting")
            # The same content: publishing it changes nothing.
            self.assertEqual(self.publish(file)["image"], [each["image"] for each in self.node.json(
                "package", "info", "ada/web")["versions"] if each["version"] == version][0])
        self.assertIn("no version of ada/web fits ^2", self.fault("package", "pull", "ada/web@^2"))

    def test_an_app_names_a_package_of_the_store(self):
        self.assertIn("no package ada/web is in the store: publish it first",
                      self.fault("deploy", self.app("ada/web@^1")))
        self.publish(self.web("1.0.0"))
        first = self.node.json("deploy", self.app("ada/web@^1"))
        self.assertEqual(self.node.get("site.localhost")[0], 200)
        # What a range meant is fixed in the version.
        second = self.publish(self.web("1.2.0", "newer"))
        info = self.node.json("app", "info", "site")
        self.assertEqual([version["package"] for version in info["versions"]], [first["package"]])
        self.assertEqual(self.node.json("deploy", self.app("ada/web@^1"))["package"], second["linked"])
        self.assertEqual(self.node.json("deploy", self.app("ada/web@=1.0.0"))["package"], first["package"])
        self.assertIn("nor a package of the store", self.fault("deploy", self.app("ada/web@latest")))

    def test_an_app_names_a_package_by_its_hash(self):
        file = self.folder / "web.webc"
        subprocess.run([harness.BINARY, "package", "build", "-q", self.web("1.0.0"), "-o", file], check=True)
        published = self.publish(file)
        deployed = self.node.json("deploy", self.app(f"sha256:{published['sha256']}"))
        self.assertEqual(deployed["package"], published["linked"])
        self.assertIn("no package sha256:", self.fault("deploy", self.app("sha256:" + "0" * 64)))

    def test_run_takes_a_package_of_the_store(self):
        self.publish(self.package("ada/show", "1.0.0", modules=[("t", TERMINAL)],
                                  text='[[command]]\nname = "show"\nmodule = "t"\n'))
        self.assertEqual(self.run_package("ada/show", "args", "x").stdout, b"[show]\n[args]\n[x]\n")
        self.assertEqual(self.run_package("ada/show@1", "args").returncode, 0)
        self.assertIn(b"no package ada/none is in the store", self.run_package("ada/none").stderr)
        nobody = harness.run("ada/show", env={"SELVEDGE_NODE": str(self.folder / "none.sock")})
        self.assertIn(b"no node answers", nobody.stderr)

    def test_files_of_dependencies_lie_below_the_own_ones(self):
        self.publish(self.package("ada/base", "1.0.0", [("data/both", "base"), ("data/base", "base")],
                                  [("t", TERMINAL)],
                                  '[fs]\n"/data" = "data"\n[[command]]\nname = "show"\nmodule = "t"\n'))
        self.publish(self.package("ada/middle", "1.0.0", [("data/both", "middle"), ("data/middle", "middle")],
                                  text='[fs]\n"/data" = "data"\n', dependencies=[("ada/base", "^1")]))
        own = self.package("me/own", "1.0.0", [("data/own", "own"), ("deep/both", "own")],
                           text='[fs]\n"/data" = "data"\n"/deep" = "deep"\n', dependencies=[("ada/middle", "^1")])
        for name, content in (("own", b"own"), ("middle", b"middle"), ("base", b"base"), ("both", b"middle")):
            seen = self.run_package(own, "cat", f"/data/{name}")
            self.assertEqual(seen.stdout, content, seen.stderr)
        (own / "data/both").write_text("own")
        self.assertEqual(self.run_package(own, "cat", "/data/both").stdout, b"own")
        published = self.publish(own)
        self.assertEqual([origin["name"] for origin in published["dependencies"]], ["ada/middle", "ada/base"])
        self.assertEqual(self.run_package("me/own", "cat", "/data/both").stdout, b"own")

    def test_commands_of_dependencies_are_there_by_name(self):
        tools = self.package("ada/tools", "2.1.0", modules=[("tools", SHELL / "tools.wasm")], text="".join(
            f'[[command]]\nname = "{name}"\nmodule = "tools"\n' for name in ("cat", "wc", "upper")))
        self.publish(tools)
        shell = self.package("me/shell", "1.0.0", modules=[("shell", SHELL / "shell.wasm")],
                             text='[[command]]\nname = "sh"\nmodule = "shell"\n',
                             dependencies=[("ada/tools", "2")])
        done = self.run_package(shell, "-c", "echo woven | upper | cat")
        self.assertEqual(done.stdout, b"WOVEN\n", done.stderr)
        # A module of a dependency as a command of one's own.
        own = self.package("me/counts", "1.0.0", dependencies=[("ada/tools", "2")],
                           text='[[command]]\nname = "upper"\nmodule = "ada/tools:tools"\nrunner = "wasi"\n')
        self.assertEqual(self.run_package(own, stdin=b"woven").stdout, b"WOVEN")

    def test_an_app_has_the_files_and_commands_of_what_it_depends_on(self):
        self.publish(self.web("1.0.0"))
        own = self.package("me/site", "1.0.0", [("www/own", "own")], dependencies=[("ada/web", "^1")],
                           text='[fs]\n"/www" = "www"\n')
        (own / "app.yaml").write_text("kind: wasmer.io/App.v0\nname: based\npackage: .\n")
        deployed = self.node.json("deploy", own)
        status, _, body = self.node.get("based.localhost", "/?x=1")
        self.assertEqual(status, 200)
        self.assertIn(b"x=1", body)
        # A new version of the dependency counts from the next deploy on.
        self.publish(self.web("1.1.0", "newer"))
        self.assertNotEqual(self.node.json("deploy", own)["package"], deployed["package"])

    def test_dependencies_that_cannot_be_met_are_explained(self):
        site = self.package("me/site", "1.0.0", dependencies=[("ada/web", "^2")])
        self.assertIn("me/site depends on ada/web, which is not in the store: publish it first",
                      self.fault("package", "publish", site))
        self.publish(self.web("1.0.0"))
        self.assertIn("no version of ada/web fits: me/site asks for ^2; the store has 1.0.0",
                      self.fault("package", "publish", site))
        again = self.package("ada/web", "1.5.0", dependencies=[("ada/web", "^1")])
        self.assertIn("packages must not need themselves", self.fault("package", "publish", again))
        done = harness.run(site, env={"SELVEDGE_NODE": str(self.folder / "none.sock")})
        self.assertIn(b"depends on ada/web, which is in the store of a node", done.stderr)
        self.assertIn("is published under a name", self.fault("package", "publish", TERMINAL))


class SignatureTest(PackageCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.keys = {}
        for name in ("ada", "mallory"):
            made = subprocess.run([harness.BINARY, "package", "keygen", "--json", self.folder / f"{name}.key"],
                                  capture_output=True, text=True, check=True)
            self.keys[name] = json.loads(made.stdout)["public_key"]
        self.start(f'[publishers]\nada = ["{self.keys["ada"]}"]\n')

    def start(self, text):
        config = self.folder / "node.toml"
        config.write_text(text)
        self.node = self.enterContext(harness.Node(self.folder / "node", "--config", config))
        self.environment = {"SELVEDGE_NODE": str(self.node.data / "admin.sock")}

    def publish(self, folder, *options):
        return super().publish(folder, *options or ("--sign", self.folder / "ada.key"))

    def test_a_key_is_kept_to_oneself_and_not_overwritten(self):
        self.assertEqual((self.folder / "ada.key").stat().st_mode & 0o777, 0o600)
        self.assertIn("is there already", self.fault_of_keygen())

    def fault_of_keygen(self):
        done = subprocess.run([harness.BINARY, "package", "keygen", self.folder / "ada.key"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 1)
        return done.stderr

    def test_only_the_owner_publishes_under_a_name(self):
        folder = self.web("1.0.0")
        self.assertIn("ada/web 1.0.0 is not signed, and packages of \"ada\" must be",
                      self.fault("package", "publish", folder))
        self.assertIn(f"signed by the key {self.keys['mallory']}, which is none of \"ada\" here",
                      self.fault("package", "publish", folder, "--sign", self.folder / "mallory.key"))
        self.assertIn("is not a key", self.fault("package", "publish", folder, "--sign", folder / "wasmer.toml"))
        self.assertEqual(self.node.json("package", "list"), {"packages": []})
        published = self.publish(folder)
        self.assertEqual(published["signature"]["key"], self.keys["ada"])
        self.assertIn("signed by", self.node.command("package", "info", "ada/web").stdout)

    def record(self, name, version):
        return self.node.data / "store/packages" / name / version

    def test_a_signature_is_verified_when_a_version_is_made_and_when_it_is_loaded(self):
        self.publish(self.web("1.0.0"))
        self.node.json("deploy", self.app("ada/web"))
        self.node.stop()
        # Whoever can write to the store, but has no key: the record says another signature.
        [file] = [path for path in (self.folder / "node/store").rglob("*")
                  if path.is_file() and b'"signature"' in path.read_bytes()]
        file.write_bytes(file.read_bytes().replace(b'"signature":"', b'"signature":"00', 1).replace(b'00"}', b'"}'))
        text = file.read_bytes()
        self.start(f'[publishers]\nada = ["{self.keys["ada"]}"]\n')
        self.assertNotEqual(self.node.get("site.localhost")[0], 200, text)
        self.fault("deploy", self.app("ada/web", "other"))

    def test_a_node_that_requires_signatures_runs_nothing_else(self):
        self.publish(self.web("1.0.0"))
        self.node.json("deploy", self.app("ada/web"))
        self.node.json("deploy", ECHO, "--app", "bare")
        self.assertEqual(self.node.get("bare.localhost")[0], 200)
        self.node.stop()
        self.start(f'[packages]\nrequire_signatures = true\n[publishers]\nada = ["{self.keys["ada"]}"]\n')
        self.assertEqual(self.node.get("site.localhost")[0], 200)
        self.assertNotEqual(self.node.get("bare.localhost")[0], 200)
        self.assertIn("must be signed", self.fault("deploy", ECHO, "--app", "bare"))
        self.node.stop()
        # The owner's key is another one now.
        self.start(f'[publishers]\nada = ["{self.keys["mallory"]}"]\n')
        self.assertNotEqual(self.node.get("site.localhost")[0], 200)


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        port = str(harness.free_port())
        script = guide.script_of(GUIDE, 5, {"8080": port, "/tmp/packages": folder})
        done = guide.run(guide.replace_pauses(script, guide.until_answered(folder, port)))
        guide.expect_in_order(done.stdout.replace(folder, "/tmp/packages"), (
            "Built /tmp/packages/shell.webc", "selvedge-examples/shell 0.1.0\n", "WOVEN\n",
            re.search(r"^```\n(Published ada/greet 1.0.0\n.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)[1],
            "woven by machine\n", "Published ada/greet 1.0.0\n", "ada/greet\n"))


if __name__ == "__main__":
    unittest.main()
