"""Every instruction set that was built here computes right; the choice among them is safe."""

from pathlib import Path

import pytest

from cycnn import kernels
from cycnn.kernels import cpu
from helpers import TESTS, run_python

FOLDER = Path(kernels.__file__).parent
BUILT = [level for level in cpu.LEVEL_BITS if (FOLDER / level).is_dir()]
USABLE = [level for level in cpu.supported_levels(cpu.feature_words()) if level in BUILT]

KERNEL_TESTS = ["test_conv.py", "test_conv_strips.py", "test_winograd.py", "test_chain.py",
                "test_chain_pool.py",
                "test_pool.py", "test_linear.py", "test_activation.py", "test_loss.py",
                "test_update.py", "test_norm.py", "test_resample.py", "test_conv_transpose.py",
                "test_dropout.py", "test_inference.py", "test_winograd_strips.py",
                "test_augment.py", "test_embedding.py"]


def test_the_best_one_is_loaded():
    loaded = run_python("-c", "from cycnn import kernels; print(kernels.isa)", CYCNN_ISA="")
    assert loaded.stdout.strip() == USABLE[-1], loaded.stderr


# This process tests the one that it loaded, in the files named above.
@pytest.mark.parametrize("level", [level for level in BUILT if level != kernels.isa])
def test_kernels(level):
    if level not in USABLE:
        pytest.skip(f"this processor does not support {level}")
    script = ("import sys, pytest\n"
              "from cycnn import kernels\n"
              f"assert kernels.isa == {level!r}\n"
              "sys.exit(pytest.main(sys.argv[1:]))")
    done = run_python("-c", script, *[str(TESTS / name) for name in KERNEL_TESTS], "-x",
                      "-p", "no:cacheprovider", "--hypothesis-profile=brief",
                      CYCNN_ISA=level, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize("name", ["sse9", "AVX2", "avx512 "])
def test_unknown_name(name):
    done = run_python("-c", "import cycnn.kernels", CYCNN_ISA=name)
    assert done.returncode == 1
    assert f"ImportError: CYCNN_ISA={name!r} is unknown" in done.stderr
    assert USABLE[0] in done.stderr                     # it says what can be chosen


# --- the choice, for processors that are not here ------------------------------------------

def processor(best):
    """The feature words of a processor that has `best` and all below, and nothing more."""
    words = dict.fromkeys(("leaf1_ecx", "leaf7_ebx", "extended_ecx", "xcr0"), 0)
    for level, bits in cpu.LEVEL_BITS.items():
        for word, mask in bits.items():
            words[word] |= mask
        if level == best:
            return words


LEVELS = list(cpu.LEVEL_BITS)


@pytest.mark.parametrize("best", LEVELS)
def test_supported_levels(best):
    assert cpu.supported_levels(processor(best)) == LEVELS[:LEVELS.index(best) + 1]


@pytest.mark.parametrize("level, word, bit", [
    (level, word, bit) for level, bits in cpu.LEVEL_BITS.items() for word, mask in bits.items()
    for bit in range(32) if mask >> bit & 1])
def test_one_missing_feature_rules_a_level_out(level, word, bit):
    """AVX2 without BMI2, as some emulators have; or registers that the system does not save."""
    words = processor("avx512")
    words[word] &= ~(1 << bit)
    assert level not in cpu.supported_levels(words)


def test_other_architectures_have_the_baseline():
    assert cpu.supported_levels(None) == ["baseline"]


@pytest.mark.parametrize("best, built, wanted, chosen", [
    ("avx512", LEVELS, None, "avx512"), ("avx512", LEVELS, "", "avx512"),
    ("avx512", LEVELS, "avx2", "avx2"), ("avx512", LEVELS, "baseline", "baseline"),
    ("avx512", ["baseline", "avx2"], None, "avx2"), ("avx2", LEVELS, None, "avx2"),
    ("baseline", LEVELS, None, "baseline")])
def test_choice(best, built, wanted, chosen):
    assert kernels.choose_isa(processor(best), built, wanted) == chosen


@pytest.mark.parametrize("words, built, wanted, reason", [
    (processor("avx2"), LEVELS, "avx512", "not supported by this processor"),
    (processor("avx512"), ["baseline"], "avx2", "was not built"),
    (processor("avx512"), LEVELS, "neon", "unknown"),
    (dict.fromkeys(processor("avx2"), 0), LEVELS, None, "x86-64-v2"),
    (processor("avx2"), [], None, "pip install"),
    (None, LEVELS, "avx2", "not supported")])
def test_no_choice(words, built, wanted, reason):
    with pytest.raises(ImportError, match=reason):
        kernels.choose_isa(words, built, wanted)
