"""A browser without a window, in which pages of the library are run."""

import contextlib
import html
import json
import re
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
# It finds no address but this machine's own.
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


def evaluate(page, script, folder, address="", width=1280):
    """The result, as plain values, of a script that runs when the page in a file is ready.

    Whatever the page asks a network for fails, and so does the script if the page raised an error.
    """
    shown = page.read_text(encoding="utf-8")
    watch = "<script>window.faults = []; window.onerror = (m) => { window.faults.push(String(m)); };</script>"
    ask = (
        '<script type="module">const out = document.createElement("pre"); out.id = "found";'
        f"const answer = await (async () => {{ {script} }})();"
        "out.textContent = JSON.stringify({ answer, faults: window.faults,"
        " asked: performance.getEntriesByType('resource').map((entry) => entry.name) });"
        "document.body.append(out);</script>"
    )
    assert shown.count("<head>") == shown.count("</body>") == 1
    run = page.with_name("run_" + page.name)
    run.write_text(shown.replace("<head>", "<head>" + watch).replace("</body>", ask + "</body>"), encoding="utf-8")
    command = [
        PROGRAM, *OPTIONS, f"--window-size={width},900", f"--user-data-dir={folder}", "--virtual-time-budget=20000",
        "--dump-dom", "--allow-file-access-from-files", f"file://{run}{address}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, f"The page did not answer: {done.stderr[-800:]}"
    found = json.loads(html.unescape(match[1]))
    assert found["faults"] == []
    return found["answer"], found["asked"]


@contextlib.contextmanager
def opened(address, folder):
    """A page that stays open meanwhile."""
    waiting = "--remote-debugging-port=0"  # without it the browser would end at once
    command = [PROGRAM, *OPTIONS, f"--user-data-dir={folder}", waiting, address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
