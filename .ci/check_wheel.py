"""Refuse a wheel that is too large, or holds anything but the package, its extensions, declarations and data."""

import sys
import zipfile
from pathlib import Path, PurePosixPath

LIMIT = 5_500_000
ALLOWED = {".py", ".pyi", ".pxd", ".so", ".pyd", ".npz", ".md", ".typed", ".html", ".css", ".js"}

path = Path(sys.argv[1])
names = zipfile.ZipFile(path).namelist()
# auditwheel lists folders, too
package = [name for name in names if ".dist-info/" not in name and not name.endswith("/")]
strangers = [
    n
    for n in package
    if not n.startswith("cbackprop/") or not {PurePosixPath(n).suffix, PurePosixPath(n).name[-6:]} & ALLOWED
]
NEEDED = ("py.typed", ".pxd", ".so", ".npz", "page.html", "page.js", "playground.js")
missing = [end for end in NEEDED if not any(name.endswith(end) for name in package)]
print(
    f"{path.name}: {path.stat().st_size:,} bytes, {len(names)} files, "
    f"{sum(name.endswith('.so') for name in names)} extensions"
)
if strangers or missing or path.stat().st_size > LIMIT:
    sys.exit(f"not allowed: {strangers}; missing: {missing}; limit {LIMIT:,} bytes")
