"""Builds the kernels: nearly every `cycnn/kernels/*.pyx` once per instruction set, from one source.

Environment: CYCNN_DEBUG=1 builds with bounds checks and without optimisation; CYCNN_BUILD=avx512
(or several, with commas) builds only these instruction sets, which is quicker while developing.
"""

import os
import re
import runpy
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

KERNELS = Path("cycnn/kernels")
GENERATED = Path("build/cython")
DEBUG = os.environ.get("CYCNN_DEBUG") == "1"
MSVC = sys.platform == "win32" and "mingw" not in sysconfig.get_platform()

ONCE, EACH, SMALL, FUSED, built_for = map(runpy.run_path(str(KERNELS / "levels.py")).get,
                                          ("ONCE", "EACH", "SMALL", "FUSED", "built_for"))

# The library of a build -> its compiler flags. kernels/__init__.py picks the library.
X86_LEVELS = {
    "baseline": [] if MSVC else ["-march=x86-64-v2"],
    "avx2": ["/arch:AVX2"] if MSVC else ["-march=x86-64-v3"],
    "avx512": ["/arch:AVX512"] if MSVC else ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
# The library of a build -> a program that a compiler must be able to build for it.
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
if not IS_X86_64:
    SMALL = {}                  # the baseline of other processors is the best that there is
if os.environ.get("CYCNN_BUILD"):
    LEVELS = {level: LEVELS[level] for level in os.environ["CYCNN_BUILD"].split(",")}

# Explicit fused multiply-adds and these two flags are all the freedom the kernels need. Never
# -ffast-math: its link-time form changes the float mode of the whole process.
if MSVC:
    FLAGS = ["/O2", "/std:c11"]
elif DEBUG:
    FLAGS = ["-O1", "-g"]
else:
    FLAGS = ["-O2", "-g0", "-fno-math-errno", "-fno-trapping-math"]
# No multiply-adds that the compiler fuses, but where levels.py allows it: it makes several versions
# of a loop, one for arrays that lie close together, and fuses other products in each, so that
# results depend on where arrays are. MSVC fuses none.
UNFUSED = [] if MSVC else ["-ffp-contract=off"]
FOR_SIZE = [] if DEBUG else ["/O1"] if MSVC else ["-Os"]
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
    "binding": False,           # plain built-in functions: less code for each
}


def generate_sources():
    """Translate every .pyx to C, once, and return {module name: C file}."""
    modules = [Extension(f"cycnn.kernels.{name}", [str(KERNELS / f"{name}.pyx")])
               for name in ONCE + EACH]
    translated = cythonize(modules, build_dir=str(GENERATED), compiler_directives=DIRECTIVES,
                           nthreads=os.cpu_count())
    # Cython copies headers beside the C files, where the compiler would look first: and find, after
    # a change, the old one.
    for copied in (GENERATED / KERNELS).glob("*.h"):
        copied.unlink()
    return {module.name.rpartition(".")[2]: module.sources[0] for module in translated}


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

    def extension(name, kernels, flags):
        return Extension(f"cycnn.kernels.{name}", [sources[kernel] for kernel in kernels],
                         include_dirs=[str(KERNELS)], extra_compile_args=FLAGS + flags)

    return ([extension(name, [name], []) for name in ONCE]
            + [extension(level, built_for(level, LEVELS), flags)
               for level, flags in LEVELS.items()])


class BuildKernels(build_ext):
    """build_ext with OpenMP where there is one, and several modules in one library."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self):
        self.keep_names = self.inplace          # setuptools says False while it builds
        super().run()

    def build_extensions(self):
        openmp, link_flags = self.openmp_flags()
        compile_flags = openmp
        unknown = [level for level, flags in LEVELS.items() if not self.links(PROBES[level], flags)]
        self.extensions = [extension for extension in self.extensions
                           if extension.name.rpartition(".")[2] not in unknown]
        if not MSVC and not DEBUG and self.links(EMPTY, ["-Werror", *VECTORS]):
            compile_flags = [*compile_flags, *VECTORS]
        # A wheel leaves out what only a debugger or a profiler would read: an eighth of its size.
        # What is built in place keeps it.
        if sys.platform == "linux" and not DEBUG and not self.keep_names:
            compile_flags = [*compile_flags, "-fno-asynchronous-unwind-tables"]
            link_flags = [*link_flags, "-Wl,-s"]
        print("cycnn: building " + ", ".join(level for level in LEVELS if level not in unknown)
              + "".join(f", not {level}, which the compiler cannot" for level in unknown) + "; "
              + ("threads by OpenMP" if openmp else "no OpenMP found, so one thread only"),
              flush=True)
        with ThreadPoolExecutor(self.parallel) as threads:
            for extension in self.extensions:
                extension.extra_compile_args += compile_flags
                extension.extra_link_args += link_flags
                extension.extra_objects = [threads.submit(self.compiled, extension, source)
                                           for source in extension.sources]
        # All that is left to setuptools is to link.
        for extension in self.extensions:
            extension.extra_objects = [task.result() for task in extension.extra_objects]
            extension.depends, extension.sources = extension.extra_objects, []
        super().build_extensions()

    def compiled(self, extension, source):
        """The object file of a C file: made if that or a header that it includes is newer."""
        folder = os.path.join(self.build_temp, extension.name)     # the levels share their C files
        [made] = self.compiler.object_filenames([source], output_dir=folder)
        kernel, library = Path(source).stem, extension.name.rpartition(".")[2]
        flags = [*extension.extra_compile_args]
        if library in ONCE or kernel in SMALL.get(library, []):
            flags += FOR_SIZE
        if kernel not in FUSED:
            flags += UNFUSED
        if self.force or newer_group([source, *headers_of(kernel)], made):
            self.compiler.compile(
                [source], output_dir=folder, include_dirs=extension.include_dirs, debug=self.debug,
                extra_postargs=flags)
        return made

    def get_export_symbols(self, extension):
        return []               # each module's PyInit function exports itself

    def copy_extensions_to_source(self):
        # An older build's folders, which would be taken for packages.
        for level in X86_LEVELS:
            rmtree(KERNELS / level, ignore_errors=True)
        super().copy_extensions_to_source()

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
