"""The lesson of docs/from-loops-to-kernels: its code runs, prints what it says, makes its pictures.

``python tests/test_lesson.py`` makes the pictures anew.
"""

import contextlib
import io
import re
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "from-loops-to-kernels"
CHAPTERS = sorted(FOLDER.glob("*.md"))
FENCE = re.compile(r"^```(python|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#]*)[^)]*\)")
SOURCE = re.compile(r'^\[(`[^\]]+`)\]: (\S+)\n    "(.+)"$', re.MULTILINE)


def run(folder):
    """Run all chapters in order, in one namespace, in `folder`.

    Returns [(chapter:line of a block, what it printed, what the text promises or None), ...].
    """
    names, results = {"__name__": "lesson"}, []
    with contextlib.chdir(folder):
        for chapter in CHAPTERS:
            text = chapter.read_text(encoding="utf-8")
            end = None                          # of the Python block before
            for fence in FENCE.finditer(text):
                kind, body = fence.groups()
                line = text.count("\n", 0, fence.start()) + 1
                if kind == "text":
                    assert end is not None and not text[end:fence.start()].strip(), (
                        f"{chapter.name}:{line}: no Python right before this text")
                    results[-1] = (*results[-1][:2], body)
                    end = None
                    continue
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    # Errors name the chapter and its line.
                    exec(compile("\n" * line + body, str(chapter), "exec"), names)
                results.append((f"{chapter.name}:{line}", printed.getvalue(), None))
                end = fence.end()
    return results


def found(pattern):
    return [(chapter.name, *(found if isinstance(found, tuple) else (found,)))
            for chapter in CHAPTERS for found in pattern.findall(chapter.read_text("utf-8"))]


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    pytest.importorskip("matplotlib")
    import cycnn as cn
    try:
        cn.data.load("mnist")
    except FileNotFoundError:
        pytest.skip("MNIST is not on this machine, and cannot be downloaded")
    folder = tmp_path_factory.mktemp("lesson")
    return run(folder), folder


def test_every_block_prints_what_the_text_says(lesson):
    results, _ = lesson
    assert len(results) > 40
    for place, printed, promised in results:
        assert printed == (promised or ""), place


def test_every_picture_is_there_and_made_by_the_code(lesson):
    shown = {name for _, name in found(PICTURE)}
    assert shown == {path.name for path in FOLDER.glob("*.png")}
    assert shown == {path.name for path in lesson[1].iterdir()}


def test_every_link_leads_somewhere():
    links = found(LINK)
    assert len(links) > 15
    for chapter, link in links:
        assert not link or (FOLDER / link).is_file(), (chapter, link)


@pytest.mark.skipif(not (FOLDER / "../../cycnn").is_dir(), reason="the sources are not here")
def test_every_formula_stands_in_the_file_that_the_text_names():
    sources = found(SOURCE)
    assert len(sources) > 15
    for chapter, name, path, phrase in sources:
        assert name == f"`{path.removeprefix('../../')}`", (chapter, name)
        assert phrase in (FOLDER / path).read_text("utf-8"), (chapter, name, phrase)
    for chapter in CHAPTERS:
        text = chapter.read_text("utf-8")
        for name in re.findall(r"\[(`[^\]]+`)\](?!:)", text):
            assert (chapter.name, name) in {source[:2] for source in sources}, (chapter.name, name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        run(made)
        for picture in Path(made).iterdir():
            (FOLDER / picture.name).write_bytes(picture.read_bytes())
            print(FOLDER / picture.name)
