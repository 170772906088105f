"""Builds the kernels: nearly every `cycnn/kernels/*.pyx` once per instruction set, from one source.

Environment: CYCNN_DEBUG=1 builds with bounds checks and without optimisation; CYCNN_BUILD=avx512
(or several, with commas) builds only these instruction sets, which is quicker while developing.
"""

import copy
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("cycnn/kernels")
GENERATED = Path("build/cython")
DEBUG = os.environ.get("CYCNN_DEBUG") == "1"
MSVC = sys.platform == "win32" and "mingw" not in sysconfig.get_platform()

# Built once, for any processor: the one that decides which of the others to load, and those that
# wider vectors do not help, as they look at arrays, leave copying to memcpy, or call the others.
# What Python calls was up to half of a kernel's machine code: large ones leave it to the latter.
COMMON = ["cpu", "arrays", "place", "convolution", "pooling", "api"]
KERNEL_NAMES = sorted(path.stem for path in KERNELS.glob("*.pyx") if path.stem not in COMMON)

# The folder of a build -> its compiler flags. kernels/__init__.py picks the folder.
X86_LEVELS = {
    "baseline": [] if MSVC else ["-march=x86-64-v2"],
    "avx2": ["/arch:AVX2"] if MSVC else ["-march=x86-64-v3"],
    "avx512": ["/arch:AVX512"] if MSVC else ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
# The folder of a build -> a program that a compiler must be able to build for it.
EMPTY = "int main(void) { return 0; }\n"
PROBES = {
    "baseline": EMPTY,
    "avx2": "#include <immintrin.h>\n"
            "int main(void) { __m256 x = _mm256_setzero_ps(); x = _mm256_fmadd_ps(x, x, x);\n"
            "                 return (int)_mm256_cvtss_f32(x); }\n",
    "avx512": "#include <immintrin.h>\n"
              "int main(void) { __m512 x = _mm512_setzero_ps(); x = _mm512_fmadd_ps(x, x, x);\n"
              "                 return (int)_mm512_cvtss_f32(x); }\n",
}
IS_X86_64 = sysconfig.get_platform().endswith(("x86_64", "amd64"))
LEVELS = X86_LEVELS if IS_X86_64 else {"baseline": []}
if os.environ.get("CYCNN_BUILD"):
    LEVELS = {level: LEVELS[level] for level in os.environ["CYCNN_BUILD"].split(",")}

# Kernels that wait for memory and not for arithmetic. Vectors twice as wide were measured to gain
# nothing there, so that processors with AVX-512 use the builds for AVX2.
NO_FASTER = {"add", "augment", "clip", "fold", "layout", "loss", "norm", "resample", "update"}
BUILT = {level: [name for name in KERNEL_NAMES
                 if not (level == "avx512" and "avx2" in LEVELS and name in NO_FASTER)]
         for level in LEVELS}

# Explicit fused multiply-adds and these two flags are all the freedom the kernels need. Never
# -ffast-math: its link-time form changes the float mode of the whole process.
if MSVC:
    FLAGS = ["/O2", "/std:c11"]
elif DEBUG:
    FLAGS = ["-O1", "-g"]
else:
    FLAGS = ["-O2", "-g0", "-fno-math-errno", "-fno-trapping-math"]
# GCC's -O2 leaves loops of unknown length alone; clang vectorises them, and knows no such flags.
# Beside these -O3 makes code a fifth larger, and nothing faster.
VECTORS = ["-ftree-vectorize", "-fvect-cost-model=dynamic"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": True,
}


def generate_sources():
    """Translate every .pyx to C, once, and return {module name: C file}."""
    modules = [Extension(f"cycnn.kernels.{name}", [str(KERNELS / f"{name}.pyx")])
               for name in COMMON + KERNEL_NAMES]
    # Memoryview support is 100 KB of machine code a module; it is built once and shared.
    shared = GENERATED / "_cyutility.c"
    shared.parent.mkdir(parents=True, exist_ok=True)
    if not shared.exists():
        subprocess.run([sys.executable, "-m", "cython", f"--generate-shared={shared}",
                        "--module-name", "cycnn.kernels._cyutility"], check=True)
    translated = cythonize(modules, build_dir=str(GENERATED), compiler_directives=DIRECTIVES,
                           nthreads=os.cpu_count(),
                           shared_utility_qualified_name="cycnn.kernels._cyutility")
    # Cython copies headers beside the C files, where the compiler would look first: and find, after
    # a change, the old one.
    for copied in (GENERATED / KERNELS).glob("*.h"):
        copied.unlink()
    return {"_cyutility": str(shared),
            **{module.name.rpartition(".")[2]: module.sources[0] for module in translated}}


def headers_of(name):
    """The C headers that a module includes, by way of others too: only those can change it."""
    found, waiting = set(), [KERNELS / f"{name}.pyx", KERNELS / f"{name}.pxd"]
    while waiting:
        file = waiting.pop()
        if file in found or not file.exists():
            continue
        found.add(file)
        text = file.read_text()
        waiting += [KERNELS / header for header in re.findall(r'"(\w+\.h)"', text)]
        waiting += [KERNELS / f"{module}.pxd"
                    for module in re.findall(r"from \.(\w+) cimport", text)]
    return sorted(str(file) for file in found if file.suffix == ".h")


def extensions():
    sources = generate_sources()

    def extension(folder, name, flags):
        return Extension(f"cycnn.kernels.{folder}{name}", [sources[name]],
                         depends=headers_of(name),
                         include_dirs=[str(KERNELS)], extra_compile_args=FLAGS + flags)

    return ([extension("", name, []) for name in ["_cyutility", *COMMON]]
            + [extension(f"{level}.", name, flags)
               for level, flags in LEVELS.items() for name in BUILT[level]])


class BuildKernels(build_ext):
    """build_ext with OpenMP where there is one, and one object folder per instruction set."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        compile_flags, link_flags = self.openmp_flags()
        unknown = [level for level, flags in LEVELS.items() if not self.links(PROBES[level], flags)]
        self.extensions = [extension for extension in self.extensions
                           if extension.name.split(".")[2] not in unknown]
        if not MSVC and not DEBUG and self.links(EMPTY, ["-Werror", *VECTORS]):
            compile_flags = [*compile_flags, *VECTORS]
        # A wheel leaves out the names of functions that only a debugger or a profiler would read: a
        # fourteenth of its size. What is built in place keeps them.
        if sys.platform == "linux" and not DEBUG and not self.inplace:
            link_flags = [*link_flags, "-Wl,-s"]
        for extension in self.extensions:
            extension.extra_compile_args += compile_flags
            extension.extra_link_args += link_flags
        print("cycnn: building " + ", ".join(level for level in LEVELS if level not in unknown)
              + "".join(f", not {level}, which the compiler cannot" for level in unknown) + "; "
              + ("threads by OpenMP" if compile_flags else "no OpenMP found, so one thread only"),
              flush=True)
        super().build_extensions()

    def copy_extensions_to_source(self):
        for level in {extension.name.split(".")[2] for extension in self.extensions} & {*LEVELS}:
            Path(KERNELS, level).mkdir(exist_ok=True)
            # What an older build left here would be found before the build that is to be used.
            for left in Path(KERNELS, level).iterdir():
                if left.name.partition(".")[0] not in BUILT[level]:
                    left.unlink()
        super().copy_extensions_to_source()

    def build_extension(self, extension):
        # The levels share their C files: in one folder, the second object would replace the first.
        single = copy.copy(self)
        single.build_temp = os.path.join(self.build_temp, extension.name)
        super(BuildKernels, single).build_extension(extension)

    def openmp_flags(self):
        """Compile and link flags for OpenMP; none where the compiler has none."""
        candidates = ([(["/openmp"], [])] if MSVC else
                      [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])])
        program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
        for compile_flags, link_flags in candidates:
            if self.links(program, compile_flags, link_flags):
                return compile_flags, link_flags
        return [], []

    def links(self, program, compile_flags, link_flags=()):
        """Whether a C program can be built with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(program)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder,
                                                extra_postargs=list(compile_flags))
                self.compiler.link_executable(objects, str(Path(folder, "probe")),
                                              extra_postargs=list(link_flags))
            except Exception:           # each compiler class raises its own
                return False
        return True


# The guard is for Cython's worker processes, which import this file where they are not forks of it.
if __name__ == "__main__":
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildKernels})
