"""What this processor can do, and how many threads the kernels may use.

The one module that every processor must be able to load, and the only gateway to threads.
"""

import os

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(_M_X64) || defined(_M_IX86)
      #include <intrin.h>
      #define CYCNN_X86 1
      static void cycnn_cpuid(uint32_t leaf, uint32_t *r) { __cpuidex((int *)r, (int)leaf, 0); }
      static uint64_t cycnn_xgetbv(void) { return _xgetbv(0); }
    #elif defined(__x86_64__) || defined(__i386__)
      #include <cpuid.h>
      #define CYCNN_X86 1
      static void cycnn_cpuid(uint32_t leaf, uint32_t *r) {
          r[0] = r[1] = r[2] = r[3] = 0;
          __get_cpuid_count(leaf, 0, r, r + 1, r + 2, r + 3);
      }
      static uint64_t cycnn_xgetbv(void) {
          uint32_t low, high;
          __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
          return ((uint64_t)high << 32) | low;
      }
    #else
      #define CYCNN_X86 0
      static void cycnn_cpuid(uint32_t leaf, uint32_t *r) { r[0] = r[1] = r[2] = r[3] = 0; }
      static uint64_t cycnn_xgetbv(void) { return 0; }
    #endif
    #ifdef _OPENMP
      #include <omp.h>
      #define CYCNN_OPENMP _OPENMP
    #else
      #define CYCNN_OPENMP 0
    #endif
    #ifdef _MSC_VER
      static __declspec(thread) int cycnn_serial = 0;
    #else
      static __thread int cycnn_serial = 0;
    #endif
    """
    ctypedef unsigned int uint32_t
    ctypedef unsigned long long uint64_t
    const int CYCNN_X86
    const int CYCNN_OPENMP
    void cycnn_cpuid(uint32_t leaf, uint32_t *r) nogil
    uint64_t cycnn_xgetbv() nogil
    int cycnn_serial            # one for each thread


def feature_words():
    """The processor's feature words, or None off x86.

    Returns
    -------
    dict or None
        ``leaf1_ecx``, ``leaf7_ebx``, ``extended_ecx`` (leaf 0x80000001) and ``xcr0``, the vector
        state that the operating system saves (0 where it saves none).
    """
    cdef uint32_t r[4]
    if not CYCNN_X86:
        return None
    words = {}
    cycnn_cpuid(0, r)
    last_leaf = r[0]
    cycnn_cpuid(1, r)
    words["leaf1_ecx"] = r[2]
    cycnn_cpuid(7, r)
    words["leaf7_ebx"] = r[1] if last_leaf >= 7 else 0
    cycnn_cpuid(<uint32_t>0x80000000, r)
    last_leaf = r[0]
    cycnn_cpuid(<uint32_t>0x80000001, r)
    words["extended_ecx"] = r[2] if last_leaf >= 0x80000001 else 0
    osxsave = words["leaf1_ecx"] >> 27 & 1
    words["xcr0"] = cycnn_xgetbv() if osxsave else 0
    return words


# Instruction set -> {feature: (feature word, its bits)}, for all features that every processor of
# that level has: those of the x86-64 psABI's micro-architecture levels v2, v3 and v4, plus the
# state bits of XCR0. A level counts only when all of its features are there: processors and
# emulators with AVX2 but without another feature of v3 exist, and code built for v3 uses them all.
FEATURES = {
    "baseline": {
        "SSE3": ("leaf1_ecx", 1 << 0),
        "SSSE3": ("leaf1_ecx", 1 << 9),
        "CMPXCHG16B": ("leaf1_ecx", 1 << 13),
        "SSE4.1": ("leaf1_ecx", 1 << 19),
        "SSE4.2": ("leaf1_ecx", 1 << 20),
        "POPCNT": ("leaf1_ecx", 1 << 23),
        "LAHF": ("extended_ecx", 1 << 0),
    },
    "avx2": {
        "FMA": ("leaf1_ecx", 1 << 12),
        "MOVBE": ("leaf1_ecx", 1 << 22),
        "XSAVE": ("leaf1_ecx", 1 << 26),
        "OSXSAVE": ("leaf1_ecx", 1 << 27),
        "AVX": ("leaf1_ecx", 1 << 28),
        "F16C": ("leaf1_ecx", 1 << 29),
        "BMI1": ("leaf7_ebx", 1 << 3),
        "AVX2": ("leaf7_ebx", 1 << 5),
        "BMI2": ("leaf7_ebx", 1 << 8),
        "LZCNT": ("extended_ecx", 1 << 5),
        "YMM registers kept by the operating system": ("xcr0", 0b110),
    },
    "avx512": {
        "AVX512F": ("leaf7_ebx", 1 << 16),
        "AVX512DQ": ("leaf7_ebx", 1 << 17),
        "AVX512CD": ("leaf7_ebx", 1 << 28),
        "AVX512BW": ("leaf7_ebx", 1 << 30),
        "AVX512VL": ("leaf7_ebx", 1 << 31),
        # The masks, the upper halves of ZMM0 to 15, and ZMM16 to 31.
        "ZMM registers kept by the operating system": ("xcr0", 0b11100000),
    },
}


def missing_features(words, level):
    """What a processor with these feature words lacks for an instruction set and all below it.

    Parameters
    ----------
    words : dict or None
        As :func:`feature_words` returns them; no other architecture has anything but the baseline.
    level : str
        One of FEATURES.

    Returns
    -------
    list of str
    """
    if words is None:
        return [] if level == "baseline" else ["the x86-64 architecture"]
    missing = []
    for name, features in FEATURES.items():
        missing += [feature for feature, (word, bits) in features.items()
                    if words[word] & bits != bits]
        if name == level:
            return missing
    raise ValueError(f"level must be one of {', '.join(FEATURES)}, got {level!r}")


def supported_levels(words):
    """The instruction sets that a processor with these feature words can run, worst first.

    Parameters
    ----------
    words : dict or None
        As :func:`feature_words` returns them.
    """
    return [level for level in FEATURES if not missing_features(words, level)]


# --- threads ---------------------------------------------------------------------------------

cdef int max_threads = 1
cdef bint forked = False


def cgroup_quota():
    """How many processors the container may use, rounded up, or None where there is no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:            # cgroup v2
            quota, period = file.read().split()
        if quota == "max":
            return None
    except (OSError, ValueError):
        try:
            with open("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") as file:      # cgroup v1
                quota = file.read()
            with open("/sys/fs/cgroup/cpu/cpu.cfs_period_us") as file:
                period = file.read()
            if int(quota) <= 0:
                return None
        except (OSError, ValueError):
            return None
    return max(1, -(-int(quota) // int(period)))


def default_num_threads():
    """`CYCNN_NUM_THREADS`, else `OMP_NUM_THREADS`, else what affinity and container allow."""
    for variable in ("CYCNN_NUM_THREADS", "OMP_NUM_THREADS"):
        # OMP_NUM_THREADS may be a list, one number a nesting level; ours is the first.
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isdecimal() and int(text) >= 1:
            return min(int(text), 1024)
        if text and variable == "CYCNN_NUM_THREADS":
            raise ImportError("CYCNN_NUM_THREADS must be a whole number of at least 1, "
                              f"got {text!r}")
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    return min(processors, cgroup_quota() or processors)


def openmp_version():
    """The OpenMP standard's date that the kernels were built with (201511 is 4.5), 0 for none."""
    return CYCNN_OPENMP


def get_num_threads():
    """How many threads the kernels may use; 1 in a forked child and without OpenMP."""
    return 1 if forked or not CYCNN_OPENMP else max_threads


def set_num_threads(int number):
    """Let the kernels use this many threads (the caller has checked that it is at least 1)."""
    global max_threads
    max_threads = number


def after_fork_in_child():
    """Run serially from here on: the OpenMP runtime's threads did not survive the fork."""
    global forked
    forked = True


def stay_serial():
    """Let kernels that this thread calls run on it alone: others compute beside it."""
    global cycnn_serial
    cycnn_serial = 1


# A parallel region costs 2 to 10 microseconds to open and close; below this many operations
# (multiply-adds, or elements of a pass over memory times 8) one thread is faster.
cdef enum:
    LEAST_WORK = 350000
SERIAL_WORK = LEAST_WORK    # where tests can change it


cpdef int threads_for(double work):
    """How many threads to open for this many operations."""
    return threads_at(work, SERIAL_WORK)


cdef int threads_at(double work, double serial_work) noexcept nogil:
    if (forked or max_threads == 1 or not CYCNN_OPENMP or work < 2 * serial_work
            or cycnn_serial):
        return 1
    return <int>min(<double>max_threads, work / serial_work)


cdef int threads_wanted(int number, double work) noexcept nogil:
    """What :func:`threads_for` says where `number` is 0; else `number`, where threads can be."""
    if number == 0:
        return threads_at(work, LEAST_WORK)
    return 1 if forked or not CYCNN_OPENMP or cycnn_serial else number


max_threads = default_num_threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork_in_child)
