"""Which of the instruction sets in setup.py the running processor (and its system) supports."""

cdef extern from *:
    """
    #if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    static int cpu_has_avx2(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    }
    static int cpu_has_avx512(void) {
        return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    }
    #elif defined(_MSC_VER) && defined(_M_X64)
    #include <windows.h>
    #ifndef PF_AVX2_INSTRUCTIONS_AVAILABLE
    #define PF_AVX2_INSTRUCTIONS_AVAILABLE 40
    #endif
    static int cpu_has_avx2(void) { return IsProcessorFeaturePresent(PF_AVX2_INSTRUCTIONS_AVAILABLE); }
    static int cpu_has_avx512(void) { return 0; }
    #else
    static int cpu_has_avx2(void) { return 0; }
    static int cpu_has_avx512(void) { return 0; }
    #endif
    """
    int cpu_has_avx2() nogil
    int cpu_has_avx512() nogil


def supported() -> list:
    """Names of the supported instruction sets beyond the baseline, the best first."""
    return ["avx512"] * bool(cpu_has_avx512()) + ["avx2"] * bool(cpu_has_avx2())
