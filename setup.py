"""Builds the Cython half of cbackprop; everything else about the package is in pyproject.toml.

``src_pyx/a/b.pyx`` becomes the module ``cbackprop.compiled.a.b``. Where there is ``b.pyx.tp``, this is a template (of
Tempita, which comes with Cython), from which ``b.pyx`` is made first. A class that is written once in the template
becomes two: one for float, one for double (`REALS`). A source of several subjects includes files (``c.pxi``), which may
be made of templates too.

A module is built once for the baseline of the processor's architecture, and, where that is worth it (`VARIED`), once
more for each instruction set in `VARIANTS`; the package ``cbackprop.compiled`` chooses among them when it is imported.

``CBACKPROP_SANITIZE=address,undefined`` (or ``thread``) builds for gcc's sanitizers instead; `.ci/sanitize` does that
in a folder of its own, and runs the tests. ``CBACKPROP_DEBUG=debug`` builds for debuggers, ``CBACKPROP_DEBUG=profile``
for profilers: see docs/internals.md.
"""

import os
import platform
import sys
from pathlib import Path

from Cython import Tempita
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
SOURCES = Path("src_pyx")
# The float types in C, and what the names of classes for them end in.
REALS = (("float", 32), ("double", 64))
MSVC = sys.platform == "win32"
CLANG = sys.platform == "darwin" or "clang" in os.environ.get("CC", "")
X86_64 = platform.machine().lower() in ("x86_64", "amd64")

# One line an instruction set: the compiler's flags for it. cpu.pyx tells at run time whether it can be used.
AVX512 = [f"-mavx512{part}" for part in ("f", "vl", "dq", "bw")]
VARIANTS = {
    "avx2": ["/arch:AVX2"] if MSVC else ["-mavx2", "-mfma", "-mbmi2"],
    "avx512": ["/arch:AVX512"] if MSVC else [*AVX512, "-mfma", "-mbmi2"],
}
if not X86_64:
    VARIANTS = {}
# What gains from wider vectors, below src_pyx, and from which. The rest is bound by memory, or handles Python objects,
# or is seldom used; with all of it three times, a wheel would be much larger. Where a processor has more than a
# module was built for, it takes the best that there is.
WIDEST, WIDE = ("avx2", "avx512"), ("avx2",)
VARIED = {
    "kernels/activation_functions.": WIDEST,
    "kernels/attention.": WIDEST,
    "kernels/batch_normalization.": WIDE,
    "kernels/channels.": WIDE,
    "kernels/convolution.": WIDEST,
    "kernels/convolution_gradient.": WIDEST,
    "kernels/depthwise.": WIDEST,
    "kernels/dropout.": WIDE,
    "kernels/elementary_loops.": WIDEST,
    "kernels/gathered_products.": WIDEST,
    "kernels/global_pooling.": WIDE,
    "kernels/images.": WIDE,
    "kernels/limits.": WIDEST,
    "kernels/matrix.": WIDEST,
    "kernels/normalization.": WIDE,
    "kernels/planar.": WIDEST,
    "kernels/pooling.": WIDE,
    "kernels/random.": WIDE,
    "kernels/recurrence.": WIDEST,
    "kernels/rows.": WIDE,
    "kernels/sampling.": WIDE,
    "kernels/stretched.": WIDEST,
    "kernels/strided.": WIDE,
    "kernels/vectors.": WIDE,
    "kernels/winograd.": WIDEST,
    "layers/prelu.": WIDE,
    "layers/random_color.": WIDE,
    "losses/crossentropy.": WIDE,
    "losses/regression.": WIDE,
    "optimizers/adagrad.": WIDE,
    "optimizers/adam.": WIDE,
    "optimizers/rmsprop.": WIDE,
    "optimizers/sgd.": WIDE,
    "optimizers/signs.": WIDE,
}
# What connects or prepares, or calls Python: it need not be fast, but small. (Not layers that the smallest networks
# consist of: their training took 3 % longer.)
GLUE = (
    "_cyutility.",
    "engine/contexts.",
    "engine/jacobian.",
    "engine/network.",
    "engine/tables.",
    "kernels/convolution_geometry.",
    "kernels/from_python.",
    "kernels/memory.",
    "layers/boxes.",
    "layers/concatenate.",
    "layers/convolution.",
    "layers/depthwise_convolution.",
    "layers/normalization.",
    "layers/pooling.",
    "layers/python_layer.",
    "layers/random_geometry.",
    "layers/reshaping.",
    "layers/resizing.",
    "layers/up_sampling.",
    "losses/python_loss.",
    "losses/row_function.",
)

# Without -ftrapping-math and -fmath-errno loops vectorise, and results stay those of IEEE 754:
# neither flag touches rounding, denormals, NaN or infinity, as -ffast-math would.
# Tables for unwinding and symbols for debuggers are a tenth of a wheel, and a quarter of the time to compile it.
# Without tables of jumps to functions of Python and C (-fno-plt), libraries are 3 % smaller.
COMPILE_ARGS = (
    ["/O2"]
    if MSVC
    else [
        *("-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-semantic-interposition"),
        *("-fno-asynchronous-unwind-tables", "-fno-plt", "-g0"),
    ]
)
# Two of Cython's short cuts, through the insides of Python's integers and of its pending exception. They stand wherever
# an integer is converted or a call may fail, and gain nanoseconds there; libraries are 5 % smaller without them.
COMPILE_ARGS += ["-DCYTHON_USE_PYLONG_INTERNALS=0", "-DCYTHON_FAST_THREAD_STATE=0"]
# What is not varied, or long: loops vectorise too, but are not unrolled and inlined at the expense of size.
LONG = (
    "kernels/convolution.",
    "kernels/convolution_gradient.",
    "kernels/elementary_loops.",
    "kernels/stretched.",
    "layers/",
)
LOOPS = ["-ftree-vectorize", "-fvect-cost-model=dynamic", "-funswitch-loops", "-fversion-loops-for-strides"]
SMALLER = [] if MSVC else ["-O2"] if CLANG else ["-O2", *LOOPS]
SMALLEST = ["/O1"] if MSVC else ["-Os"]
# Tiles of matrices: a second version of each, for strides of 1, would be no faster.
TILES = ("kernels/gathered_products.", "kernels/matrix.", "kernels/planar.", "kernels/winograd.")
ONE_VERSION = [] if MSVC or CLANG else ["-fno-version-loops-for-strides"]
# Without padding between segments, too, libraries take 6 % less room where they are installed.
LINK_ARGS = ["-Wl,-s", "-Wl,--build-id=none", "-Wl,-z,noseparate-code"] if sys.platform == "linux" else []

# Which sanitizers to build for. Their findings show the lines of the C code, so symbols and frames are kept. Without
# AVX-512 a build takes half the time.
SANITIZE = os.environ.get("CBACKPROP_SANITIZE", "")
if SANITIZE:
    if MSVC:
        sys.exit("CBACKPROP_SANITIZE needs gcc or clang.")
    SANITIZER = f"-fsanitize={SANITIZE}"
    COMPILE_ARGS = ["-fno-math-errno", "-fno-trapping-math", "-O1", "-g1", "-fno-omit-frame-pointer", SANITIZER]
    SMALLER = SMALLEST = ONE_VERSION = []
    LINK_ARGS = [SANITIZER]
    VARIANTS.pop("avx512", None)

# A build for debuggers, or one for profilers: that is as fast as the usual one, but keeps symbols and frames.
DEBUG = os.environ.get("CBACKPROP_DEBUG", "")
if DEBUG not in ("", "debug", "profile"):
    sys.exit(f"CBACKPROP_DEBUG must be debug or profile, not {DEBUG}.")
if DEBUG and not MSVC:
    COMPILE_ARGS = [*(arg for arg in COMPILE_ARGS if arg != "-g0"), "-g", "-fno-omit-frame-pointer"]
    LINK_ARGS = []
    if DEBUG == "debug":
        COMPILE_ARGS += ["-O0"]
        SMALLER = SMALLEST = ONE_VERSION = []

DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "freethreading_compatible": True,
    "auto_pickle": False,
}

# Memoryview code is large: it is generated once, in this module, and imported by the others.
SHARED = "cbackprop.compiled._cyutility"


def blas_int() -> str:
    """The integer type of the BLAS that SciPy was built with, read from its declarations."""
    import scipy.linalg

    declarations = (Path(scipy.linalg.__file__).parent / "cython_blas.pxd").read_text()
    sgemm = next(line for line in declarations.splitlines() if "void sgemm(" in line)
    return "blas_int" if "blas_int" in sgemm else "int"


def write(path: Path, text: str) -> None:
    """Write a file, but leave it alone if it says so already: what is made from it is not made again then."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_blas_int(path: Path) -> None:
    """Declare that type for blas.pyx."""
    name = blas_int()
    origin = "from scipy.linalg.cython_blas cimport blas_int" if name != "int" else "ctypedef int blas_int"
    write(path, f"# Made by setup.py: the integer type of SciPy's BLAS.\n{origin}\n")


def render_templates() -> None:
    """Make ``b.pyx`` of every ``b.pyx.tp``, ``c.pxi`` of every ``c.pxi.tp``, and tell git that they are made."""
    templates = sorted(SOURCES.rglob("*.tp"))
    for template in templates:
        text = Tempita.sub(template.read_text(encoding="utf-8"), REALS=REALS)
        write(template.with_suffix(""), f"# Made by setup.py from {template.name}: change that.\n{text.rstrip()}\n")
    made = "".join(f"/{template.with_suffix('').relative_to(SOURCES).as_posix()}\n" for template in templates)
    write(SOURCES / ".gitignore", f"# Made by setup.py, like all that it names.\n/.gitignore\n{made}")


def place(module: Extension) -> str:
    """Where a module's source is, below src_pyx."""
    return Path(module.sources[0]).relative_to(SOURCES).as_posix()


def sets_of(module: Extension) -> tuple[str, ...]:
    """The instruction sets that a module is built for, beside the baseline."""
    return next((sets for prefix, sets in VARIED.items() if place(module).startswith(prefix)), ())


def compile_args(module: Extension) -> list[str]:
    """The compiler's flags, but those of an instruction set."""
    if place(module).startswith(GLUE):
        return COMPILE_ARGS + SMALLEST
    if place(module).startswith(TILES):
        return COMPILE_ARGS + ONE_VERSION
    return COMPILE_ARGS + ([] if sets_of(module) and not place(module).startswith(LONG) else SMALLER)


def baseline_args(module: Extension) -> list[str]:
    """The compiler's flags for the baseline. Where it is one of several, few processors take it."""
    return compile_args(module) + (SMALLER if VARIANTS and sets_of(module) else [])


def extensions() -> list:
    """Every module under src_pyx, cythonized once and listed once for each instruction set."""
    os.chdir(HERE)
    write_blas_int(SOURCES / "kernels" / "blas_int.pxi")
    render_templates()
    modules = [
        Extension(
            "cbackprop.compiled." + ".".join(path.relative_to(SOURCES).with_suffix("").parts),
            [str(path)],
            depends=[str(header) for header in path.parent.glob("*.h")],
        )
        for path in sorted(SOURCES.rglob("*.pyx"))
    ]
    modules.append(Extension(SHARED, [str(SOURCES / "_cyutility.c")]))
    built = cythonize(
        modules,
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        include_path=["."],
        nthreads=0 if MSVC else os.cpu_count(),
        emit_linenums=bool(DEBUG),
    )
    for module in built:
        module.extra_compile_args = baseline_args(module)
    variants = [
        Extension(
            module.name.replace("cbackprop.compiled.", f"cbackprop.compiled.variants.{name}.", 1),
            module.sources,
            depends=module.depends,
            extra_compile_args=compile_args(module) + flags,
        )
        for name, flags in VARIANTS.items()
        for module in built
        if name in sets_of(module)
    ]
    for module in built + variants:
        module.extra_link_args = LINK_ARGS
    return built + variants


class BuildExtensions(build_ext):
    """Build on every core, with objects of one source but different flags kept apart."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def copy_extensions_to_source(self) -> None:
        for ext in self.extensions:  # a variant's folders are no packages, so that nothing else makes them
            Path(self.get_ext_fullpath(ext.name)).parent.mkdir(parents=True, exist_ok=True)
        super().copy_extensions_to_source()

    def build_extension(self, ext: Extension) -> None:
        copy = BuildExtensions.__new__(BuildExtensions)
        copy.__dict__.update(self.__dict__)
        copy.build_temp = os.path.join(self.build_temp, ext.name)
        build_ext.build_extension(copy, ext)


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExtensions})
