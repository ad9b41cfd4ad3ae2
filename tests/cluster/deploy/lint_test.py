"""The files of cluster/deploy: read by the tools of those who made their formats, held against the program and one
another."""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import kubernetes_validate

from recipes import (BIN, DEPLOY, SETTINGS, SOURCE, exec_start, find, help_of, instructions, manifest, settings, units,
                     wrong_words)

AGENTS_PORT, CHECKPOINTS_PORT, HTTP_PORT, SERVE_PORT = 7072, 7073, 7070, 7071


class Scripts(unittest.TestCase):
    def test_Scripts_AreCleanForShellcheckAndTheirShells(self):
        scripts = [DEPLOY / "join", DEPLOY / "container/collect", DEPLOY / "container/healthy"]
        for script in scripts:
            self.assertTrue(os.access(script, os.X_OK), script)
            first = script.read_text().splitlines()[0]
            shell = {"#!/bin/sh": "dash", "#!/bin/bash": "bash"}[first]
            subprocess.run([shell, "-n", script], check=True)
        checked = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
        self.assertEqual(checked.stdout, "")


class Units(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def installed(self, unit):
        """A copy that names this build's program; of a template, an instance."""
        copy = self.folder / unit.name.replace("@.", "@digits.")
        copy.write_text(unit.read_text().replace("/opt/muster/bin", str(BIN)))
        return copy

    def test_Systemd_KnowsEverySetting(self):
        for unit in units():
            seen = subprocess.run(["systemd-analyze", "verify", "--man=no", self.installed(unit)],
                                  capture_output=True, text=True)
            lines = [line for line in seen.stderr.splitlines()
                     if "'DelegateSubgroup'" not in line]  # from systemd 254 on
            self.assertEqual((seen.returncode, lines), (0, []), unit.name)

    def test_WhatRunsNoTrials_IsClosed(self):
        for unit in units():
            if "agent" in unit.name:
                continue
            subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", self.installed(unit)],
                           check=True, stdout=subprocess.DEVNULL)

    def test_TheAgentsRanks_OutliveIt(self):
        text = (DEPLOY / "systemd/muster-agent.service").read_text()
        for wanted in ("KillMode=process", "Delegate=yes", "OOMPolicy=continue"):
            self.assertRegex(text, rf"(?m)^{wanted}$")
        # A mount namespace of each start's own would part ranks from the agent that adopts them.
        self.assertNotRegex(text, r"(?m)^(Private|Protect|ReadWrite|ReadOnly|Inaccessible|Dynamic|Bind|Temporary)\w*=")

    def test_Commands_AreTheProgramsOwn(self):
        for unit in units():
            words = exec_start(unit, settings(SETTINGS[unit.stem]))
            self.assertEqual(words[0], "/opt/muster/bin/muster")
            self.assertEqual(wrong_words(words[1:]), [], unit.name)
            file = re.search(r"(?m)^EnvironmentFile=-?/etc/muster/(.*)$", unit.read_text()).group(1)
            self.assertEqual(file.replace("serve-%i", "serve"), SETTINGS[unit.stem])


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objects = manifest()

    def errors(self, entry, version):
        """What Kubernetes' own schema of that version has against it; a name that it does not know is one."""
        try:
            kubernetes_validate.validate(entry, version, strict=True)
            return []
        except kubernetes_validate.ValidationError as error:
            return [f"{entry['kind']} {entry['metadata']['name']}: {error.message[:200]}"]

    def test_Objects_AreOfKubernetesOwnSchemas(self):
        for version in ("1.28", "1.34", "1.37"):
            self.assertEqual([error for entry in self.objects for error in self.errors(entry, version)], [])

    def test_Schema_RefusesWhatIsWrong(self):
        """The check above can fail."""
        agent = self.named("StatefulSet", "muster-agent")
        for break_it in (lambda spec: spec.pop("selector"),
                         lambda spec: spec.update(replicas="two"),
                         lambda spec: spec.update(replica=2),
                         lambda spec: spec["template"]["spec"]["containers"][0].pop("name")):
            broken = copy.deepcopy(agent)
            break_it(broken["spec"])
            self.assertNotEqual(self.errors(broken, "1.34"), [], break_it)

    def named(self, kind, name):
        return next(e for e in self.objects if (e["kind"], e["metadata"]["name"]) == (kind, name))

    def containers(self):
        for key in ("containers", "initContainers"):
            for group in find(self.objects, key):
                yield from group

    def test_Commands_AreTheProgramsOwn(self):
        checked = 0
        for container in self.containers():
            words = container.get("args", [])
            if "--" in words:  # kubectl exec POD -- muster ...
                words = words[words.index("--") + 1:]
                self.assertEqual(words.pop(0), "muster")
            if words:
                self.assertEqual(wrong_words(words), [], container["name"])
                checked += 1
        self.assertEqual(checked, 4)

    def test_Names_LeadToOneAnother(self):
        there = {(e["kind"], e["metadata"]["name"]) for e in self.objects}
        for kind, keys in (("Secret", ["secretName"]), ("PersistentVolumeClaim", ["claimName"]),
                           ("Service", ["serviceName"]), ("ServiceAccount", ["serviceAccountName"])):
            for key in keys:
                for name in find(self.objects, key):
                    self.assertIn((kind, name), there)
        for config in find(self.objects, "configMap"):
            self.assertIn(("ConfigMap", config["name"]), there)
        for template in find(self.objects, "template"):
            spec = template["spec"]
            volumes = {volume["name"] for volume in spec.get("volumes", [])} | {"home"}
            mounts = set(m["name"] for c in spec["containers"] + spec.get("initContainers", [])
                         for m in c.get("volumeMounts", []))
            self.assertLessEqual(mounts, volumes)
        # Selectors and policies look for labels that pods have.
        pods = [template["metadata"]["labels"].items() for template in find(self.objects, "template")]
        for labels in [*find(self.objects, "matchLabels"), *(s["spec"]["selector"] for s in self.objects if s["kind"] == "Service")]:
            self.assertTrue(any(labels.items() <= have for have in pods), labels)
        # What jobs submit is in the folder where the server sees it.
        sweeps = self.named("ConfigMap", "muster-sweeps")["data"]
        for container in self.containers():
            for word in container.get("args", []):
                if word.startswith("/etc/muster/sweeps/"):
                    self.assertIn(pathlib.Path(word).name, sweeps)

    def test_Containers_HaveBoundsAndNoRights(self):
        for container in self.containers():
            self.assertIn("memory", container["resources"]["limits"], container["name"])
            self.assertIn("cpu", container["resources"]["requests"], container["name"])
            self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False,
                                                            "readOnlyRootFilesystem": True,
                                                            "capabilities": {"drop": ["ALL"]}})
            self.assertRegex(container["image"], r":v?\d+\.\d+\.\d+$", "an exact version")
        for template in find(self.objects, "template"):
            self.assertTrue(template["spec"]["securityContext"]["runAsNonRoot"])


class Container(unittest.TestCase):
    def test_Containerfile_IsCleanForHadolint(self):
        hadolint = pathlib.Path(sys.executable).parent / "hadolint"
        checked = subprocess.run([hadolint, "--no-color", DEPLOY / "container/Containerfile"],
                                 capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))

    def test_Images_AreSmallAndUnprivileged(self):
        stages, stage = {}, None
        for name, text in instructions():
            if name == "FROM":
                stage = stages.setdefault(text.split(" AS ")[1], [])
            elif stage is not None:
                stage.append((name, text))
        for name in ("serve", "muster"):
            last = dict(stages[name])
            self.assertEqual(last["USER"], "10001:10001")
            self.assertEqual(json.loads(last["HEALTHCHECK"].split("CMD ")[1])[0], "healthy")
        self.assertFalse(any("scripts/setup" in text for name in ("serve", "muster") for _, text in stages[name]))
        for what, text in instructions():
            if what == "COPY":
                *sources, _ = text.split()
                for source in sources:
                    if not source.startswith(("--", "/")):
                        self.assertTrue(source == "." or list(SOURCE.glob(source)), source)

    def test_Commands_AreTheProgramsOwn(self):
        entry = [json.loads(text) for what, text in instructions() if what == "ENTRYPOINT"]
        self.assertEqual(entry, [["tini", "--", "muster"]])
        for what, text in instructions():
            if what == "CMD":
                self.assertEqual(wrong_words(json.loads(text)), [])

    def test_Context_HoldsWhatIsBuilt(self):
        """A folder that CMakeLists.txt adds is neither left out of the build's context nor of Apptainer's files."""
        folders = re.findall(r"^add_subdirectory\((\w+)\)", (SOURCE / "CMakeLists.txt").read_text(), re.MULTILINE)
        wanted = {*folders, "scripts", "CMakeLists.txt", "CMakePresets.json"}
        context = (DEPLOY / "container/Containerfile.dockerignore").read_text().split()
        self.assertEqual(context[0], "*")
        self.assertEqual({name.removeprefix("!") for name in context[1:]}, wanted)
        recipe = (DEPLOY / "container/muster.def").read_text()
        self.assertEqual(set(re.findall(r"^    (\S+) /src/$", recipe, re.MULTILINE)), wanted)
        # Images keep the libraries of wheels where the build had them.
        for text in (recipe, (DEPLOY / "container/Containerfile").read_text()):
            self.assertIn(" MUSTER_DEPS=/opt/muster/deps\n", text)

    def test_Apptainer_HasStagesWhoseScriptsParse(self):
        sections = re.split(r"(?m)^%(.*)\n", re.sub(r"(?m)^(#|Bootstrap|From|Stage).*\n", "", (DEPLOY / "container/muster.def").read_text()))
        names = [name.split()[0] for name in sections[1::2]]
        self.assertEqual(names, ["files", "post", "files", "files", "post", "environment", "runscript", "test"])
        for name, script in zip(names, sections[2::2]):
            if name != "files":
                subprocess.run(["dash", "-n"], input=script, text=True, check=True)


class Together(unittest.TestCase):
    def test_CommandsOfTheReadme_AreTheProgramsOwn(self):
        lines = re.sub(r"\\\n *", "", (DEPLOY / "README.md").read_text()).splitlines()
        commands = [match.group(1).split() for line in lines if line.startswith("    ")
                    for match in re.finditer(r"\bmuster ((?:agent|node|server|serve)\b[^#;&|\"]*)", line)]
        self.assertGreaterEqual(len(commands), 5)
        for words in commands:
            self.assertEqual(wrong_words(words), [])

    def test_Ports_AreTheSameEverywhere(self):
        self.assertRegex(help_of("server"), rf"--port UINT={HTTP_PORT}\b")
        self.assertEqual(settings("server.env")["MUSTER_SERVER_FLAGS"].split()[-4:],
                         ["--agents-port", str(AGENTS_PORT), "--checkpoints-port", str(CHECKPOINTS_PORT)])
        self.assertIn(f":{HTTP_PORT}", settings("serve.env")["MUSTER_SERVER"])
        self.assertIn(f"--port {SERVE_PORT}", settings("serve.env")["MUSTER_SERVE_FLAGS"])
        exposed = [text for what, text in instructions() if what == "EXPOSE"]
        self.assertEqual(exposed, [str(SERVE_PORT), f"{AGENTS_PORT} {CHECKPOINTS_PORT}"])
        text = (DEPLOY / "kubernetes/muster.yaml").read_text() + (DEPLOY / "container/Containerfile").read_text()
        for port in re.findall(r"agents-port\"?[=,] ?\"?(\d+)|tcp://muster-server:(\d+)|(?:containerPort|port): (7\d+)", text):
            self.assertIn(int("".join(port)), (AGENTS_PORT, CHECKPOINTS_PORT))
        for port in re.findall(r"\[healthy, \"(\d+)\", /health\]", text):
            self.assertEqual(port, str(HTTP_PORT))

    def test_Paths_AreThoseOfTheJoinScript(self):
        join = (DEPLOY / "join").read_text()
        agent = (DEPLOY / "systemd/muster-agent.service").read_text()
        for path in ("/opt/muster/bin", "/etc/muster", "/var/lib/muster-agent", "/etc/systemd/system/muster-agent.service"):
            self.assertIn("$prefix" + path, join)
        self.assertIn("StateDirectory=muster-agent\n", agent)
        self.assertIn("--key /etc/muster/agent.key", agent)
        self.assertIn("--ready-file %S/muster-agent/ready", agent)
        self.assertIn("EnvironmentFile=-/etc/muster/agent.env\n", agent)


if __name__ == "__main__":
    unittest.main()
