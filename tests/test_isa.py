"""Every instruction set that was built here computes right; the choice among them is safe."""

import importlib
import os
import platform
import re
import shutil
import subprocess

import pytest

from cycnn import kernels
from cycnn.kernels import cpu
from helpers import TESTS, run_python

IS_X86_64 = platform.machine().lower() in ("x86_64", "amd64")
BUILT = list(kernels.libraries)
USABLE = [level for level in cpu.supported_levels(cpu.feature_words()) if level in BUILT]

KERNEL_TESTS = ["test_conv.py", "test_conv_strips.py", "test_winograd.py", "test_chain.py",
                "test_chain_pool.py",
                "test_pool.py", "test_linear.py", "test_activation.py", "test_loss.py",
                "test_update.py", "test_norm.py", "test_resample.py", "test_conv_transpose.py",
                "test_dropout.py", "test_inference.py", "test_winograd_strips.py",
                "test_augment.py", "test_augment_functions.py", "test_embedding.py"]


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


def test_where_the_modules_are():
    """Each kernel comes from the chosen library, or from that for AVX2 where that is as good."""
    from cycnn.kernels import conv, norm
    assert conv.__file__ == kernels.libraries[kernels.isa]
    shared = kernels.isa == "avx512" and "avx2" in BUILT
    assert norm.__file__ == kernels.libraries["avx2" if shared else kernels.isa]
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'cycnn.kernels.conv3d'"):
        importlib.import_module("cycnn.kernels.conv3d")


# --- the choice, for processors that are not here ------------------------------------------

LEVELS = list(cpu.FEATURES)
ALL = {feature for features in cpu.FEATURES.values() for feature in features}


def processor(best="avx512", without=()):
    """The feature words of a processor that has `best` and all below, but for some features."""
    words = dict.fromkeys(("leaf1_ecx", "leaf7_ebx", "extended_ecx", "xcr0"), 0)
    for level in LEVELS[:LEVELS.index(best) + 1]:
        for word, bits in cpu.FEATURES[level].values():
            words[word] |= bits
    for features in cpu.FEATURES.values():
        for feature, (word, bits) in features.items():
            if feature in without:
                words[word] &= ~bits
    return words


AVX512 = {feature for feature in ALL if feature.startswith("AVX512")}
YMM, ZMM = (f"{name} registers kept by the operating system" for name in ("YMM", "ZMM"))
# What there is, or has been.
PROCESSORS = {
    "Core 2 of 2006": (processor("baseline", {"SSE4.1", "SSE4.2", "POPCNT"}), None),
    "Core 2 of 2008": (processor("baseline", {"SSE4.2", "POPCNT"}), None),
    "Phenom, with SSE4a": (processor("baseline", {"SSSE3", "SSE4.1", "SSE4.2"}), None),
    "nothing but what all have": (dict.fromkeys(processor(), 0), None),
    "Nehalem": (processor("baseline"), "baseline"),
    "Sandy Bridge, AVX": (processor("avx2", {"AVX2", "FMA", "BMI1", "BMI2", "MOVBE", "F16C",
                                             "LZCNT"}), "baseline"),
    "Piledriver, FMA but no AVX2": (processor("avx2", {"AVX2", "BMI2", "MOVBE"}), "baseline"),
    "VIA Eden X4, AVX2 but no FMA": (processor("avx2", {"FMA"}), "baseline"),
    "an emulator, AVX2 but no BMI": (processor("avx2", {"BMI1", "BMI2", "F16C"}), "baseline"),
    "Haswell": (processor("avx2"), "avx2"),
    "Haswell, noxsave": (processor("avx2", {"XSAVE", "OSXSAVE", YMM}), "baseline"),
    "Haswell, a system that keeps XMM": (processor("avx2", {YMM}) | {"xcr0": 0b011}, "baseline"),
    "Knights Landing, F and CD alone": (processor("avx512", {"AVX512VL", "AVX512BW", "AVX512DQ"}),
                                        "avx2"),
    "Skylake-X": (processor("avx512"), "avx512"),
    "Skylake-X, a system that keeps YMM": (processor("avx512") | {"xcr0": 0b111}, "avx2"),
    "Skylake-X, no masks kept": (processor("avx512") | {"xcr0": 0b11000111}, "avx2"),
    "Skylake-X, half of ZMM kept": (processor("avx512") | {"xcr0": 0b01100111}, "avx2"),
    "Alder Lake": (processor("avx512", AVX512), "avx2"),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_processors(name):
    words, best = PROCESSORS[name]
    assert cpu.supported_levels(words) == ([] if best is None
                                           else LEVELS[:LEVELS.index(best) + 1])
    if best is None:
        with pytest.raises(ImportError, match="cycnn needs an x86-64-v2 processor"):
            kernels.choose_isa(words, LEVELS)
    else:
        assert kernels.choose_isa(words, LEVELS) == best


@pytest.mark.parametrize("feature", sorted(ALL))
def test_one_missing_feature_rules_a_level_out(feature):
    """And all above it; the message names the feature."""
    words = processor(without={feature})
    level = next(level for level in LEVELS if feature in cpu.FEATURES[level])
    assert cpu.supported_levels(words) == LEVELS[:LEVELS.index(level)]
    assert feature in cpu.missing_features(words, "avx512")
    with pytest.raises(ImportError, match=f"lacks .*{re.escape(feature)}"):
        kernels.choose_isa(words, LEVELS, level)


def test_every_bit_is_its_own():
    """A feature that is checked by another one's bit would not be checked."""
    for word in ("leaf1_ecx", "leaf7_ebx", "extended_ecx"):
        bits = [bits for features in cpu.FEATURES.values() for of, bits in features.values()
                if of == word]
        assert all(bit.bit_count() == 1 for bit in bits) and len(set(bits)) == len(bits)


MACROS = {"BMI": "BMI1", "LAHF_SAHF": "LAHF", "CRC32": "SSE4.2",
          "SSE4_1": "SSE4.1", "SSE4_2": "SSE4.2", "GCC_HAVE_SYNC_COMPARE_AND_SWAP_16": "CMPXCHG16B"}


@pytest.mark.skipif(not IS_X86_64 or not shutil.which("gcc"), reason="needs gcc for x86-64")
@pytest.mark.parametrize("level, march", [("baseline", "v2"), ("avx2", "v3"), ("avx512", "v4")])
def test_all_that_the_compiler_may_use_is_checked(level, march):
    """What its -march=x86-64-v... switches on, by its own account."""
    def macros(name):
        done = subprocess.run(["gcc", f"-march={name}", "-dM", "-E", "-x", "c", os.devnull],
                              capture_output=True, text=True, check=True)
        return set(re.findall(r"^#define __(\w+?)(?:__)? ", done.stdout, re.MULTILINE))

    # Beside instructions: an alignment, the speed of fma, and how wide vectors may be.
    gained = {name for name in macros(f"x86-64-{march}") - macros("x86-64")
              if not name.startswith(("BIGGEST_ALIGNMENT", "FP_FAST", "EVEX"))}
    checked = {feature for name in LEVELS[:LEVELS.index(level) + 1]
               for feature in cpu.FEATURES[name]}
    assert len(gained) >= 7
    assert {MACROS.get(name, name) for name in gained} <= checked


def test_other_architectures_have_the_baseline():
    assert cpu.supported_levels(None) == ["baseline"]


def test_this_processor_is_one_of_them():
    """What CPUID says here, where the system says it too."""
    words = cpu.feature_words()
    if words is None:
        assert not IS_X86_64
        return
    for level in cpu.supported_levels(words):
        assert cpu.missing_features(words, level) == []
    try:
        with open("/proc/cpuinfo") as file:
            flags = next(line for line in file if line.startswith("flags")).split()
    except (OSError, StopIteration):
        return
    names = {"SSE3": "pni", "CMPXCHG16B": "cx16", "SSE4.1": "sse4_1", "SSE4.2": "sse4_2",
             "LAHF": "lahf_lm", "LZCNT": "abm"}
    for features in cpu.FEATURES.values():
        for feature, (word, bits) in features.items():
            flag = names.get(feature, feature.lower())
            if word != "xcr0" and feature != "OSXSAVE":
                assert (words[word] & bits == bits) == (flag in flags), feature


def test_an_unknown_level():
    with pytest.raises(ValueError, match="level must be one of baseline, avx2, avx512, got 'sse'"):
        cpu.missing_features(processor(), "sse")


@pytest.mark.parametrize("best, built, wanted, chosen", [
    ("avx512", LEVELS, None, "avx512"), ("avx512", LEVELS, "", "avx512"),
    ("avx512", LEVELS, "avx2", "avx2"), ("avx512", LEVELS, "baseline", "baseline"),
    ("avx512", ["baseline", "avx2"], None, "avx2"), ("avx2", LEVELS, None, "avx2"),
    ("baseline", LEVELS, None, "baseline")])
def test_choice(best, built, wanted, chosen):
    assert kernels.choose_isa(processor(best), built, wanted) == chosen


@pytest.mark.parametrize("words, built, wanted, reason", [
    (processor("avx2"), LEVELS, "avx512",
     f"not supported by this processor: it lacks AVX512F, .*{ZMM}; choose from baseline, avx2"),
    (processor("avx512"), ["baseline"], "avx2", "was not built; choose from baseline"),
    (processor("avx512"), LEVELS, "neon", "unknown; choose from baseline, avx2, avx512"),
    (processor("baseline", {"SSE4.2", "POPCNT"}), LEVELS, None,
     r"needs an x86-64-v2 processor \(.*\); this one lacks SSE4.2, POPCNT$"),
    (processor("baseline", {"SSE4.2"}), LEVELS, "baseline", "this one lacks SSE4.2$"),
    (processor("avx2"), [], None, "pip install"),
    (None, LEVELS, "avx2", "not supported by this processor: it lacks the x86-64 architecture")])
def test_no_choice(words, built, wanted, reason):
    with pytest.raises(ImportError, match=reason):
        kernels.choose_isa(words, built, wanted)
