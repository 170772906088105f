"""What nobody looks at until it has rotted: pins, versions, extras, links, lists of files."""

import re
import tomllib
from pathlib import Path

import pytest

import cycnn as cn
from cycnn.kernels import levels
from helpers import TESTS

ROOT = TESTS.parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="this is no checkout")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def documents():
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
        ROOT.glob("docs/**/*.md"))


# --- workflows ------------------------------------------------------------------------------------

def jobs_of(workflow):
    """{name: lines}: the blocks below `jobs:`, which is the last key of a file here."""
    jobs = re.split(r"^  (\w+):\n", workflow.partition("\njobs:\n")[2], flags=re.MULTILINE)[1:]
    return dict(zip(jobs[::2], jobs[1::2]))


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_do_only_what_it_says(file):
    text = file.read_text()
    assert re.search(r"^permissions: {}$", text, re.MULTILINE)
    assert re.search(r"^concurrency:$", text, re.MULTILINE)
    jobs = jobs_of(text)
    assert jobs
    for name, job in jobs.items():
        assert re.search(r"^    permissions:", job, re.MULTILINE), name
        assert re.search(r"^    timeout-minutes: \d", job, re.MULTILINE), name
        assert job.count("actions/checkout@") == job.count("persist-credentials: false"), name


def test_only_the_job_that_publishes_may_sign():
    signing = [name for file in WORKFLOWS for name, job in jobs_of(file.read_text()).items()
               if re.search(r"^ +id-token: write", job, re.MULTILINE)]
    assert signing == ["publish"]
    assert not [file.name for file in WORKFLOWS if "secrets." in file.read_text()]


def test_actions_are_pinned_by_commit():
    pins = {}
    for file in WORKFLOWS:
        for action, ref in re.findall(r"uses: *([\w./-]+)@(.+)", file.read_text()):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", ref), (file.name, action, ref)
            pins.setdefault(action, set()).add(ref)
    assert "actions/checkout" in pins
    assert {action: refs for action, refs in pins.items() if len(refs) > 1} == {}


def test_hooks_are_pinned_by_commit():
    revisions = re.findall(r"^ +rev: *(.+)", text_of(".pre-commit-config.yaml"), re.MULTILINE)
    assert revisions
    for revision in revisions:
        assert re.fullmatch(r"[0-9a-f]{40} # frozen: v\d+\.\d+\.\d+", revision), revision


def test_the_lowest_versions_promised_are_tested(project):
    python = project["project"]["requires-python"].removeprefix(">=")
    numpy, = (need for need in project["project"]["dependencies"] if need.startswith("numpy"))
    numpy = numpy.removeprefix("numpy>=")
    workflow = text_of(".github/workflows/tests.yml")
    assert re.search(rf'^ +python: \["{re.escape(python)}", ', workflow, re.MULTILINE)
    assert re.search(rf'{{python: "{re.escape(python)}", .*numpy=={re.escape(numpy)}\.0\b',
                     workflow)


# --- the package ----------------------------------------------------------------------------------

def test_the_version_is_the_same_everywhere(project):
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "cycnn.__version__"}
    cited, = re.findall(r"^version: *(\S+)$", text_of("CITATION.cff"), re.MULTILINE)
    newest = re.search(r"^## \[(\d\S*)\] - (unreleased|\d{4}-\d\d-\d\d)$",
                       text_of("CHANGELOG.md"), re.MULTILINE)
    assert cited == newest[1] == cn.__version__


def test_every_kernel_is_built():
    assert sorted([*levels.ONCE, *levels.EACH]) == sorted(
        file.stem for file in (ROOT / "cycnn/kernels").glob("*.pyx"))
    assert set(levels.NO_FASTER) < set(levels.EACH)
    assert levels.built_for("avx512", ["avx512"]) == levels.built_for("avx2", []) == levels.EACH


def test_every_package_is_installed(project):
    found = {".".join(file.parent.relative_to(ROOT).parts)
             for file in (ROOT / "cycnn").glob("**/__init__.py")}
    assert set(project["tool"]["setuptools"]["packages"]) == found


def test_extras_that_are_spoken_of_exist(project):
    extras = project["project"]["optional-dependencies"]
    named = {}
    files = [*documents(), *WORKFLOWS, *(ROOT / "cycnn").glob("**/*.py"), ROOT / "pyproject.toml"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        for group in re.findall(r'(?:cycnn|"\.)\[([a-z, ]+)\]', text):
            named.setdefault(file.name, set()).update(re.split(", *", group))
        named.setdefault(file.name, set()).update(re.findall(r'\bextra="(\w+)"', text))
    assert {"all", "test"} <= named["README.md"]
    assert {file: names - set(extras) for file, names in named.items() if names - set(extras)} == {}


def test_files_that_wheels_are_tested_with_exist(project):
    options = project["tool"]["cibuildwheel"]
    tests = re.findall(r"tests/\w+\.py", options["pyodide"]["test-command"])
    assert tests
    assert [name for name in [*tests, *options["test-sources"]] if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_to_files(file):
    prose = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"),
                   flags=re.MULTILINE | re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)
             if not link.startswith(("http", "#"))]
    assert [link for link in links if not (file.parent / Path(link)).exists()] == []
