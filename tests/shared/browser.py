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

    Whatever the page asks a network for fails, and so does the script if the page raised an error. A window is at least
    500 pixels wide, so the page is in a frame of the width.
    """
    shown = page.read_text(encoding="utf-8")
    watch = "<script>window.faults = []; window.onerror = (m) => { window.faults.push(String(m)); };</script>"
    ask = (
        f'<script type="module">const answer = await (async () => {{ {script} }})();'
        "parent.postMessage(JSON.stringify({ answer, faults: window.faults, width: innerWidth,"
        " asked: performance.getEntriesByType('resource').map((entry) => entry.name) }), '*');</script>"
    )
    assert shown.count("<head>") == shown.count("</body>") == 1
    run = page.with_name("run_" + page.name)
    run.write_text(shown.replace("<head>", "<head>" + watch).replace("</body>", ask + "</body>"), encoding="utf-8")
    frame = page.with_name("frame_" + page.name)
    frame.write_text(
        '<!doctype html><body style="margin: 0"><script>onmessage = ({ data }) => {'
        ' const out = document.createElement("pre"); out.id = "found"; out.textContent = data;'
        " document.body.append(out);"
        f' }};</script><iframe src="{run.name}{address}" style="width: {width}px; height: 900px; border: 0"></iframe>',
        encoding="utf-8",
    )
    command = [
        PROGRAM, *OPTIONS, f"--window-size={max(width, 500)},900", f"--user-data-dir={folder}",
        "--virtual-time-budget=20000", "--dump-dom", "--allow-file-access-from-files", f"file://{frame}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, f"The page did not answer: {done.stderr[-800:]}"
    found = json.loads(html.unescape(match[1]))
    assert found["faults"] == []
    assert found["width"] == width
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
