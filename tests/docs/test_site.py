"""The pages of the site in a browser, on a narrow and a wide screen, light and dark.

Nothing is too wide, every text can be read, no picture is missing, and no page asks a network for anything. The site is
in the folder that ``CBACKPROP_SITE`` names; where that is not set, it is built, without the programs of the gallery.
"""

import contextlib
import functools
import http.server
import json
import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path

import browser
import pages
import pytest

LOOK = Path(__file__).with_name("look.js")
# The site's own files and nothing else. The browser tells the page what else it has asked for, before it is loaded.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
WATCH = "<script>var asked = []; addEventListener('securitypolicyviolation', (e) => asked.push(e.blockedURI));</script>"
PATIENCE = 60  # seconds for a page
BEGIN = '<!doctype html><link rel="icon" href="data:,"><body>'
NO_PAGES = {"_static/webpack-macros.html"}  # a template of the theme


class Site(http.server.SimpleHTTPRequestHandler):
    """A server of a folder, of the page that looks at the pages in it, and for what that page finds."""

    protocol_version = "HTTP/1.1"  # many files come over one connection

    def __init__(self, *args, found, **options):
        self.found = found
        super().__init__(*args, **options)

    def do_GET(self):
        if self.path == "/look":
            self.answer(f'{BEGIN}<script type="module">{LOOK.read_text()}</script>', "text/html")
        elif self.path == "/pages":
            names = {path.relative_to(self.directory).as_posix() for path in Path(self.directory).rglob("*.html")}
            self.answer(json.dumps(sorted(names - NO_PAGES)), "application/json")
        elif self.path.endswith(".html"):
            text = Path(self.translate_path(self.path)).read_text(encoding="utf-8")
            self.answer(text.replace(">", f">{WATCH}", 1), "text/html; charset=utf-8")  # the doctype stays first
        else:
            super().do_GET()

    def answer(self, text, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.found.put((self.path, said))
        self.answer("", "text/plain")

    def send_error(self, code, *args, **options):
        self.found.put(("/missing", self.path))
        super().send_error(code, *args, **options)

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "max-age=600")  # scripts of the theme are the same for all pages
        super().end_headers()

    def log_message(self, *args):
        pass


def look(folder, profile):
    """The faults that a browser finds in the pages of a folder."""
    found = queue.Queue()
    handler = functools.partial(Site, directory=str(folder), found=found)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with browser.opened(f"http://127.0.0.1:{server.server_port}/look", profile):
                return list(until_told(found))
        finally:
            server.shutdown()


def until_told(found):
    """What the server was told, until all pages are done."""
    while True:
        path, said = found.get(timeout=PATIENCE)
        if path == "/done":
            return
        yield from said if path == "/found" else [f"there is no {said}"]


@contextlib.contextmanager
def site(folder):
    """The folder of the built site."""
    if built := os.environ.get("CBACKPROP_SITE"):
        yield Path(built)
        return
    pytest.importorskip("sphinx_gallery")
    options = ["-q", "-b", "html", "-D", "sphinx_gallery_conf.plot_gallery=False"]
    # -P: the package that is installed, also where this runs in the source.
    command = [sys.executable, "-P", "-m", "sphinx", *options, str(pages.ROOT / "docs"), str(folder)]
    subprocess.run(command, check=True)
    yield folder


@pytest.mark.browser
def test_pages(tmp_path):
    with site(tmp_path / "site") as folder:
        assert look(folder, tmp_path / "profile") == []
        text = (folder / "reference" / "cbackprop.models.Model.html").read_text()
        methods = re.findall(r'<dt [^>]*id="cbackprop\.models\.Model\.(\w+)"', text)
        assert methods[:5] == ["compile", "fit", "evaluate", "predict", "save"]
        assert 'class="prev-next-area"' in text


@pytest.mark.browser
def test_faults_are_found(tmp_path):
    """One of each kind."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "good.html").write_text("<!doctype html><title>good</title><body><article>Everything is well.</article>")
    (folder / "bad.html").write_text(
        '<!doctype html><title>bad</title><body><p style="width: 600px; color: #888">Faint.</p>'
        '<script src="https://nowhere.invalid/a.js"></script><img src="none.png">'
    )
    said = "\n".join(look(folder, tmp_path / "profile"))
    for width in (390, 1280):
        for mode in ("light", "dark"):
            assert f"bad.html, {width} px, {mode}: p has rgb(136, 136, 136)" in said
            assert (f"bad.html, {width} px, {mode}: html is 6" in said) == (width == 390)
    assert "asks for https://nowhere.invalid/a.js" in said
    assert "bad.html: there is no http" in said
    assert "there is no /none.png" in said
    assert "good.html" not in said
