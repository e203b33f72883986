#!/usr/bin/env python3
"""The built program on a real cluster, with Ceph's own tools as judges.

Usage: Tests/Ceph/suite.py FOLDER [CASE...]

FOLDER is that of a cluster that Tests/Ceph/cluster.sh has started. Each case has images, a state and files of its
own. SNAPMGR_SEED replays the random histories of a seed that was printed."""
import contextlib
import hashlib
import glob
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
program = os.path.abspath(os.environ.get("SNAPMGR", here + "/../../.build/release/snapmgr"))
cluster = os.path.abspath(sys.argv[1])
conf = cluster + "/ceph.conf"
environment = dict(os.environ, CEPH_CONF=conf, CEPH_ARGS="")
MIB = 1 << 20


class Failure(Exception):
    pass


def expect(is_kept, what):
    if not is_kept:
        raise Failure(what)


def tool(*arguments, check=True, limit=60):
    done = subprocess.run(
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=limit)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


def rbd(*arguments, **options):
    return tool("rbd", *arguments, **options)


def cluster_verb(verb):
    tool(here + "/cluster.sh", verb, cluster)


class Case:
    """A state, and images that nobody else uses."""

    def __init__(self, name):
        self.name = name
        self.folder = f"{cluster}/case-{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.state = self.folder + "/state"
        self.config = self.folder + "/snapmgr.toml"
        self.environment = dict(environment, SNAPMGR_STATE=self.state, SNAPMGR_CONFIG=self.config)
        self.images = []
        self.write_config("")

    def write_config(self, text):
        with open(self.config, "w") as file:
            file.write(text)

    def command(self, *arguments):
        return [program, *arguments]

    def run(self, *arguments, code=0, limit=90):
        """Runs the program, and returns what it printed and said; `code` is how it must end."""
        done = subprocess.run(
            self.command(*arguments), env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit)
        said = done.stderr.decode()
        codes = code if isinstance(code, tuple) else (code,)
        expect(
            done.returncode in codes,
            f"snapmgr {' '.join(arguments)} ended with {done.returncode}, not {code}: "
            f"{said}{done.stdout.decode()}")
        return done.stdout.decode(), said

    def json(self, *arguments, **options):
        return json.loads(self.run(*arguments, "--json", **options)[0])

    def image(
            self, size=16 * MIB, features="layering,exclusive-lock,object-map,fast-diff", pool="rbd",
            object_size="4M"):
        image = f"{pool}/{self.name}-{len(self.images)}-{random.SystemRandom().randrange(1 << 32):08x}"
        rbd("create", "--size", f"{size}B", "--object-size", object_size, "--image-feature", features, image)
        self.images.append(image)
        return image

    def origin(self, image):
        return f"rbd:{image}"

    def volume(self, name="v", **options):
        image = self.image(**options)
        self.run("volume", "create", name, "--origin", self.origin(image), "--ceph-conf", conf, "--chunk", "4K")
        return image

    def snapshot(self, *volumes, **options):
        return [item["id"] for item in self.json("snapshot", *(volumes or ("v",)), **options)["snapshots"]]

    def snapshots(self, volume="v"):
        return [item["id"] for item in self.json("list", volume)["snapshots"]]


def write(image, pieces, size=None):
    """Writes pieces (offset, bytes or a length of zeroes) by Ceph's own way to bring in a difference."""
    stream = [b"rbd diff v1\n"]
    length = size or json.loads(rbd("info", image, "--format", "json"))["size"]
    stream.append(b"s" + struct.pack("<Q", length))
    for offset, content in pieces:
        if isinstance(content, int):
            stream.append(b"z" + struct.pack("<QQ", offset, content))
        else:
            stream.append(b"w" + struct.pack("<QQ", offset, len(content)) + content)
    stream.append(b"e")
    done = subprocess.run(
        ["rbd", "import-diff", "--no-progress", "-", image], env=environment,
        input=b"".join(stream), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    expect(done.returncode == 0, f"import-diff: {done.stderr.decode()}")


def content(image):
    """The image's bytes, or a snapshot's, as Ceph's tools read them."""
    return rbd("export", "--no-progress", image, "-")


def digest(image):
    return hashlib.sha256(content(image)).hexdigest()


def cluster_snapshots(image):
    return [item["name"] for item in json.loads(rbd("snap", "ls", image, "--format", "json"))]


def name_of(image, index):
    """The cluster's name of the snapmgr snapshot that is the index-th of the image."""
    return f"{image}@{[name for name in cluster_snapshots(image) if name.startswith('snapmgr-')][index]}"


def block(number, size=64 * 1024):
    return bytes([number % 251 + 1]) * size


# Cases. Each is a function of the case's name.


def round_trip(case):
    """What snapshots hold, and what differs between them, is what Ceph's tools say."""
    image = case.volume()
    write(image, [(0, block(1)), (5 * MIB, block(2))])
    first, = case.snapshot()
    write(image, [(64 * 1024, block(3)), (9 * MIB + 4096, block(4, 4096)), (5 * MIB, 64 * 1024)])
    second, = case.snapshot()
    write(image, [(12 * MIB, block(5, 8192))])
    expect(case.snapshots() in ([first, second], [second, first]), "both are listed")
    for number, (snapshot, index) in enumerate([(first, 0), (second, 1)]):
        path = f"{case.folder}/export-{number}"
        case.run("export", str(snapshot), path)
        with open(path, "rb") as file:
            expect(file.read() == content(name_of(image, index)), f"export {number} has the snapshot's bytes")
        expect(os.stat(path).st_blocks * 512 < 2 * MIB, "holes stay holes")
    told = case.json("diff", str(first), str(second))
    from_name = name_of(image, 0).split("@")[1]
    expected = json.loads(
        rbd("diff", "--from-snap", from_name, name_of(image, 1), "--format", "json"))
    expect(ranges(told) == chunks([(e["offset"], e["length"]) for e in expected]), f"diff: {told} {expected}")
    live = case.json("diff", str(second), "v@live")
    expect(ranges(live) == chunks([(12 * MIB, 8192)]), f"diff with the volume: {live}")
    case.run("check", "v")
    shown = case.json("show", str(first))
    expect(shown, "a snapshot is shown")
    case.run("status")


def changed(case):
    """What has changed is told to other programs as Ceph tells it; QEMU reads the content from the cluster itself."""
    image = case.volume()
    write(image, [(0, block(1)), (5 * MIB, block(2)), (7 * MIB, block(3))])
    first, = case.snapshot()
    write(image, [(64 * 1024, block(4)), (9 * MIB + 4096, block(5, 4096)), (5 * MIB, 64 * 1024)])
    second, = case.snapshot()
    write(image, [(12 * MIB, block(6, 8192))])
    told = case.json("changed", str(first), str(second))["changed"]
    from_name = name_of(image, 0).split("@")[1]
    expected = json.loads(
        rbd("diff", "--from-snap", from_name, name_of(image, 1), "--format", "json"))
    extents = [(e["offset"], e["length"]) for e in told["extents"]]
    expect(chunks(extents) == chunks([(e["offset"], e["length"]) for e in expected]), f"{told} {expected}")
    before, after = content(name_of(image, 0)), content(name_of(image, 1))
    for extent in told["extents"]:
        piece = slice(extent["offset"], extent["offset"] + extent["length"])
        if extent["kind"] == "zero":
            expect(not any(after[piece]), f"{extent} reads as zeroes")
        before = before[:piece.start] + after[piece] + before[piece.stop:]
    expect(before == after, "over the older content it is the newer one")
    live = case.json("changed", str(second), "v@live")["changed"]
    expect(live["to_id"] is None, "the image as it is")
    expect(chunks([(e["offset"], e["length"]) for e in live["extents"]]) == chunks([(12 * MIB, 8192)]), f"{live}")
    path = f"{case.folder}/changed.qcow2"
    made = case.json("changed", str(first), str(second), "--format", "qcow2-bitmap", path)["changed"]
    expect(made["content"].startswith("rbd:"), f"the content is the cluster's: {made}")
    # Debian has QEMU's driver of Ceph in a package of its own: qemu-block-extra.
    if not glob.glob("/usr/lib/*/qemu/block-rbd.so"):
        print("changed: QEMU cannot read from a cluster here, and was not asked", flush=True)
        return
    tool("qemu-img", "check", path)
    tool("qemu-img", "convert", "-O", "raw", path, f"{case.folder}/changed.raw")
    with open(f"{case.folder}/changed.raw", "rb") as file:
        expect(file.read() == after, "QEMU reads the newer snapshot")


def ranges(report):
    found = report["diff"]["ranges"] if "diff" in report else report["ranges"]
    return chunks([(r.get("offset", r.get("start")), r.get("length", r.get("bytes"))) for r in found])


def chunks(extents, size=4096):
    found = set()
    for offset, length in extents:
        found |= set(range(offset // size, (offset + length + size - 1) // size))
    return found


def deletion(case):
    """Deleting removes the cluster's snapshot; protected ones, clones' and foreign ones stay, and are told."""
    image = case.volume()
    ids = []
    for number in range(4):
        write(image, [(number * MIB, block(number))])
        ids += case.snapshot()
    rbd("snap", "create", "--no-progress", f"{image}@theirs")
    before = digest(name_of(image, 3))
    protected = name_of(image, 2)
    rbd("snap", "protect", protected)
    said = case.run("delete", str(ids[2]), code=13)[1]
    expect("protected" in said and "unprotect" in said, said)
    preview = case.json("delete", str(ids[1]), "--dry-run")
    expect(len(cluster_snapshots(image)) == 5, "a dry run deletes nothing")
    expect(preview, "a preview")
    case.run("delete", str(ids[1]))
    expect(len(cluster_snapshots(image)) == 4, "the cluster's snapshot is gone")
    expect(digest(name_of(image, 2)) == before, "others are whole")
    between = case.json("diff", str(ids[0]), str(ids[2]))
    expected = json.loads(rbd(
        "diff", "--from-snap", name_of(image, 0).split("@")[1], protected, "--format", "json"))
    expect(
        ranges(between) == chunks([(e["offset"], e["length"]) for e in expected]),
        f"what has changed is known after it: {between} {expected}")
    case.write_config('[policies.short]\nlast = 1\n\n[volumes.v]\npolicy = "short"\n')
    case.run("prune", "v", code=(0, 1, 3, 4, 13))
    left = cluster_snapshots(image)
    expect("theirs" in left and protected.split("@")[1] in left, f"protected and foreign ones stay: {left}")
    said = "".join(case.run("check", "v", code=(0, 1, 2, 3, 6, 7, 8, 9, 10, 11)))
    expect("theirs" in said, f"foreign ones are told: {said}")
    rbd("snap", "unprotect", protected)
    case.run("delete", *[str(number) for number in case.snapshots()])
    expect(cluster_snapshots(image) == ["theirs"], "all of ours are gone")
    case.run("volume", "remove", "v")
    expect(b"snapmgr" not in rbd("image-meta", "ls", image, check=False), "nothing of ours is left")
    expect(cluster_snapshots(image) == ["theirs"], "nor of theirs is anything gone")


def sets(case):
    """A set is taken while nobody can write to any of its images."""
    images = [case.volume("v"), case.volume("w")]
    for image in images:
        write(image, [(0, block(7))])
    report = case.json("snapshot", "v", "w")
    expect(len(report["snapshots"]) == 2, f"a set of two: {report}")
    for image in images:
        expect(len(cluster_snapshots(image)) == 1, "each has one")
        expect(b'"owner"' not in rbd("lock", "ls", image, "--format", "json"), "no lock is left")
    write(images[0], [(MIB, block(8))])
    bare = case.image(features="layering")
    case.run("volume", "create", "x", "--origin", case.origin(bare), "--ceph-conf", conf)
    said = case.run("snapshot", "v", "x", code=13)[1]
    expect("exclusive" in said, f"what cannot be held is in no set: {said}")
    with writer(images[0]) as process:
        said = case.run("snapshot", "v", "w", code=13)[1]
        expect("cannot be held" in said and "snapmgr snapshot v" in said, f"an open image is in no set: {said}")
        case.snapshot("v")
        expect(process.poll() is None, "whoever writes goes on")
    expect(len(cluster_snapshots(images[0])) == 2, "by itself it has one")
    rbd("snap", "rm", "--no-progress", name_of(images[0], 1))
    expect(len(cluster_snapshots(images[0])) == 1 and not cluster_snapshots(bare), "none of them is taken")
    case.snapshot("x")
    expect(len(cluster_snapshots(bare)) == 1, "by itself it can be")


def revert(case):
    """A revert brings the snapshot's content back, keeps all snapshots, and can be undone."""
    image = case.volume()
    write(image, [(0, block(1)), (4 * MIB, block(2)), (8 * MIB + 512, block(3, 512))])
    first, = case.snapshot()
    wanted = content(image)
    write(image, [(0, block(9)), (4 * MIB, 64 * 1024), (8 * MIB, block(8, 4096)), (13 * MIB, block(7))])
    second, = case.snapshot()
    write(image, [(2 * MIB, block(6))])
    late = content(image)
    siblings = [digest(name_of(image, 0)), digest(name_of(image, 1))]
    case.run("revert", str(first), "--dry-run")
    expect(content(image) == late, "a dry run changes nothing")
    case.run("revert", str(first), "--yes")
    expect(content(image) == wanted, "the image is as it was")
    expect([digest(name_of(image, 0)), digest(name_of(image, 1))] == siblings, "siblings are whole")
    safety = case.snapshots()
    expect(len(safety) == 3, "there is a safety snapshot")
    data = [e["offset"] for e in json.loads(rbd("diff", image, "--format", "json"))]
    expect(max(data) < 12 * MIB, f"what was a hole is one again: {data}")
    case.run("revert", str(max(safety)), "--yes")
    expect(content(image) == late, "it is undone")
    case.run("check", "v")
    no_journal(case)


def open_image(case):
    """Whoever has the image open is named, and its content is not changed under him."""
    image = case.volume(size=64 * MIB)
    write(image, [(0, block(1))])
    first, = case.snapshot()
    write(image, [(0, block(2))])
    with writer(image):
        said = case.run("revert", str(first), "--yes", code=13)[1]
        expect("127.0.0.1" in said, f"who has it open is named: {said}")
        expect(len(case.snapshots()) == 1, "nothing was begun")
    case.run("revert", str(first), "--yes")
    expect(content(image)[:65536] == block(1), "then it is reverted")


@contextlib.contextmanager
def writer(image):
    """Somebody who writes to the image all the time."""
    with subprocess.Popen(
            ["rbd", "bench", "--io-type", "write", "--io-size", "4096", "--io-threads", "1", "--io-total", "8G", image],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: b"watcher=" in rbd("status", image), "the watcher is there")
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
    wait_for(lambda: b"none" in rbd("status", image), "the watcher has gone")


def wait_for(is_so, what, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        expect(time.monotonic() < end, what)
        time.sleep(0.1)


def cut(case, image, snapshot, how):
    """Ends a revert by a signal when it has copied some of it."""
    # Slow, by the configuration: a setting of the image's is only taken away with its lock.
    with open(conf) as file:
        usual = file.read()
    with open(conf, "w") as file:
        file.write(f"{usual}[client]\nrbd qos write bps limit = {16 * MIB}\n")
    try:
        process = subprocess.Popen(
            case.command("revert", str(snapshot), "--yes"), env=case.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        is_copying = wait_for_copy(process, journal_of(case))
    finally:
        with open(conf, "w") as file:
            file.write(usual)
    process.send_signal(how)
    said = process.communicate(timeout=30)
    expect(is_copying, f"the revert was ended while it copied: {said}")
    expect(case.json("merge", "status", "v")["merges"], "it waits to go on")


def break_lock(image):
    """Takes the lock from a dead client, as another one does that has waited for it."""
    for lock in json.loads(rbd("lock", "ls", image, "--format", "json")):
        rbd("lock", "rm", image, lock["id"], lock["locker"])


def journal_of(case):
    with open(case.state + "/stores/v/volume.json") as file:
        return "snapmgr.revert." + json.load(file)["content"]["uuid"]


def no_journal(case):
    expect(journal_of(case) not in tool("rados", "-p", "rbd", "ls").decode(), "no journal is left")


def slow_volume(case):
    """A volume of which a revert copies for a while: image, snapshot, and its content."""
    image = case.volume(size=96 * MIB)
    pattern = random.Random(5).randbytes(MIB)
    write(image, [(number * MIB, pattern) for number in range(90)])
    first, = case.snapshot()
    return image, first, digest(image)


def overwrite(image, turn):
    write(image, [(number * MIB, block(number + turn, MIB)) for number in range(90)])


def killed(case):
    """A revert that was cut goes on by itself when nobody can have written since."""
    image, first, wanted = slow_volume(case)
    for turn, how in enumerate([signal.SIGKILL, signal.SIGTERM]):
        overwrite(image, turn)
        cut(case, image, first, how)
        said = case.run("snapshot", "v", code=13)[1]
        expect("merge resume" in said, f"a snapshot does not copy the rest: {said}")
        said = case.run("tick", limit=120)
        expect(digest(image) == wanted, f"the image is as it was: {said}")
        no_journal(case)
        expect(not any("stop" in name for name in cluster_snapshots(image)), "no mark is left")
    case.run("check", "v")


def kept(image):
    """The snapshots of what others had written when a revert went on over it."""
    return [name for name in cluster_snapshots(image) if name.startswith("snapmgr-kept-")]


def overwritten(case):
    """What others have written to an image in the middle of a revert is never lost."""
    image, first, wanted = slow_volume(case)
    for turn, (how, verb) in enumerate([(signal.SIGKILL, "resume"), (signal.SIGTERM, "cancel")]):
        overwrite(image, turn)
        late = digest(image)
        cut(case, image, first, how)
        break_lock(image)
        theirs = b"written since then"
        write(image, [(7 * MIB, theirs)])
        present = digest(image)
        if turn == 0:
            rbd("resize", "--no-progress", "--size", "112M", image)
            for arguments in (("merge", "resume", "v"), ("volume", "resize", "v", "112M")):
                said = case.run(*arguments, code=13)[1]
                expect("merge resume" in said or "allow-shrink" in said, f"the way out is told: {said}")
            said = case.run("merge", "resume", "v", code=13)[1]
            expect("--allow-shrink" in said, f"it is told how: {said}")
            rbd("resize", "--no-progress", "--allow-shrink", "--size", "96M", image)
        said = "".join(case.run("tick", code=(0, 1, 13), limit=120))
        expect("may have written" in said, f"it is told why it does not go on: {said}")
        case.run("snapshot", "v", code=13)
        expect(digest(image) == present, "nothing of it is overwritten")
        said = "".join(case.run("merge", verb, "v", *(["--yes"] if verb == "cancel" else []), limit=120))
        expect(digest(image) == (wanted if verb == "resume" else late), f"{verb}: {said}")
        expect(len(kept(image)) == turn + 1, f"what was there is kept: {cluster_snapshots(image)}")
        expect(digest(f"{image}@{kept(image)[-1]}") == present, "as it was")
        no_journal(case)
    case.run("check", "v")


def wait_for_copy(process, journal):
    """Whether the journal says that some of it is copied, while the process is there."""
    while process.poll() is None:
        text = tool("rados", "-p", "rbd", "get", journal, "-", check=False)
        if re.search(rb'"position":[1-9]', text):
            return True
        time.sleep(0.05)
    return False


def osd_stopped(case):
    """Without an answer, a command ends within its time and says so; then all goes on."""
    image = case.volume()
    write(image, [(0, block(1))])
    first, = case.snapshot()
    pid = int(open(cluster + "/osd.pid").read())
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        said = case.run("snapshot", "v", code=(1, 3, 4, 5, 6, 10), limit=60)[1]
        expect("rbd/" in said and "ceph" in said, f"image and cause are named: {said}")
        expect(time.monotonic() - begun < 45, "within its time")
        case.run("list", "v")
        said = "".join(case.run("check", "v"))
        expect("has not answered" in said, f"what does not answer is not called damaged: {said}")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: subprocess.run(
        ["rbd", "ls"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0,
        "the OSD answers")
    second, = case.snapshot()
    expect(len(cluster_snapshots(image)) == 2, f"both are there, and nothing half taken: {cluster_snapshots(image)}")
    expect(sorted(case.snapshots()) == [first, second], "and listed")


def monitor_gone(case):
    """Without a monitor, a command ends within its time; what needs no cluster is told all the same."""
    case.volume()
    case.snapshot()
    cluster_verb("mon-stop")
    try:
        said = case.run("snapshot", "v", code=5, limit=60)[1]
        expect("has not answered" in said, said)
        expect(len(case.snapshots()) == 1, "what is known is listed")
    finally:
        cluster_verb("mon-start")
    wait_for(lambda: subprocess.run(
        ["ceph", "health"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0,
        "the monitor answers")
    case.snapshot()


def rights(case):
    """A client without rights is told which it needs."""
    image = case.image()
    keyring = case.folder + "/keyring"
    tool("ceph", "auth", "get-or-create", "client.poor", "mon", "allow r", "osd", "allow r", "-o", keyring)
    poor = case.folder + "/ceph.conf"
    with open(conf) as source, open(poor, "w") as target:
        target.write(source.read().replace(f"keyring = {cluster}/keyring", f"keyring = {keyring}"))
    said = case.run(
        "volume", "create", "v", "--origin", case.origin(image), "--ceph-conf", poor, "--ceph-id", "poor", code=13)[1]
    expect("profile rbd" in said, said)
    said = case.run(
        "volume", "create", "v", "--origin", case.origin(image), "--ceph-conf", conf, "--ceph-id", "nobody",
        code=(1, 2, 3, 4, 5, 13))[1]
    expect(image in said, said)
    expect(b"snapmgr" not in rbd("image-meta", "ls", image, check=False), "nothing was written")
    case.run("volume", "create", "v", "--origin", case.origin(image), "--ceph-conf", conf)


def huge(case):
    """An image of 100 TiB costs as much as what is in it."""
    # Its map of objects has some MiB, as that of an image of 12 TiB with small ones.
    image = case.volume(size=100 << 40, object_size="32M")
    far = (100 << 40) - MIB
    write(image, [(far, block(1))])
    first, = case.snapshot()
    write(image, [(far, block(2)), (50 << 40, block(3))])
    second, = case.snapshot()
    expect(
        ranges(case.json("diff", str(first), str(second), limit=60)) == chunks([(far, 65536), (50 << 40, 65536)]),
        "what has changed is found")
    case.run("revert", str(first), "--yes", limit=90)
    data = json.loads(rbd("diff", image, "--format", "json", "--whole-object"))
    expect(all(e["offset"] >= far - 32 * MIB for e in data if e["exists"] == "true"), f"only the end has data: {data}")
    rbd("snap", "purge", "--no-progress", image)
    case.run("check", "v", code=(0, 1, 2, 3, 6, 7, 8, 9, 10, 11))


def rebuild(case):
    """A lost state and store are made anew from the image."""
    image = case.volume()
    write(image, [(0, block(1))])
    case.run("snapshot", "v", "--name", "first", "--note", "to be kept")
    write(image, [(MIB, block(2))])
    case.snapshot()
    before = case.json("list", "v")["snapshots"]
    shutil.rmtree(case.state)
    said = case.run("volume", "create", "v", "--origin", case.origin(image), "--ceph-conf", conf, code=(1, 3, 4, 12, 13))[1]
    expect("rebuild" in said, f"whose image it is is told: {said}")
    said = case.run("catalog", "rebuild", "--origin", case.origin(image), "--ceph-conf", conf, code=13)[1]
    expect("--take-over" in said, said)
    expect(not os.path.exists(case.state + "/stores/v"), "nothing was made")
    case.run("catalog", "rebuild", "--origin", case.origin(image), "--ceph-conf", conf, "--take-over")
    after = case.json("list", "v")["snapshots"]
    for key in ("id", "name", "note", "taken_at"):
        expect([s.get(key) for s in after] == [s.get(key) for s in before], f"{key}: {after} {before}")
    case.run("check", "v")
    case.snapshot()
    expect(len(cluster_snapshots(image)) == 3, "and goes on")
    case.run("volume", "set", "v", "--name", "w")
    other = Case("rebuild-other")
    other.run("catalog", "rebuild", "--origin", case.origin(image), "--ceph-conf", conf, "--take-over")
    said = case.run("snapshot", "w", code=13)[1]
    expect("taken over" in said, f"the first state is shut out: {said}")
    other.snapshot("w")
    expect(len(cluster_snapshots(image)) == 4, "the second has it, by its new name")


def refusals(case):
    """What is not there yet is refused in plain words."""
    image = case.volume()
    first, = case.snapshot()
    os.mkdir(case.folder + "/m")
    for arguments in (
            ("serve", "v", "--socket", case.folder + "/s"), ("serve", "--socket", case.folder + "/s"),
            ("setup", case.origin(image)),
            ("mount", str(first), case.folder + "/m"),
            ("clone", "create", str(first), "c")):
        said = case.run(*arguments, code=(1, 4, 5, 13))[1]
        expect("cluster" in said or "no clones" in said, f"{arguments}: {said}")
    os.mkdir(case.folder + "/all")
    for arguments in (
            ("send", str(first)), ("mirror", "add", "far", "v", "ssh://nowhere/v"), ("files", str(first)),
            ("mount", "--all", "v", case.folder + "/all"), ("mount", str(first), case.folder + "/m")):
        said = case.run(*arguments, code=13)[1]
        expect("cannot be" in said and "yet" in said and "export" in said, f"{arguments}: {said}")
    said = "".join(case.run("check", "--data", "v"))
    expect("were not read" in said and "seal" not in said, f"what was not read is not called whole: {said}")
    other = case.run("volume", "create", "w", "--origin", case.origin(image), "--ceph-conf", conf, code=(1, 3, 4, 12, 13))[1]
    expect("already" in other, other)
    case.run("volume", "create", "w", "--origin", "rbd:rbd", "--ceph-conf", conf, code=2)
    said = case.run("volume", "create", "w", "--origin", "rbd:rbd/nosuch", "--ceph-conf", conf, code=(1, 3, 4))[1]
    expect("nosuch" in said, said)
    said = case.run("volume", "create", "w", "--origin", "rbd:rbd/x", "--ceph-conf", "/nonexistent", code=5)[1]
    expect("--ceph-conf" in said, said)


def resized(case):
    """An image that others have resized is told; the volume follows when it is asked to."""
    image = case.volume()
    first, = case.snapshot()
    rbd("resize", "--no-progress", "--size", f"{24 * MIB}B", image)
    said = case.run("snapshot", "v", code=13)[1]
    expect("resize" in said, said)
    case.run("volume", "resize", "v", "24M")
    case.snapshot()
    case.run("volume", "resize", "v", "32M")
    expect(json.loads(rbd("info", image, "--format", "json"))["size"] == 32 * MIB, "it is resized")
    said = case.run("revert", str(first), "--yes", code=13)[1]
    expect("resize" in said, said)
    case.run("check", "v")


def removed_by_others(case):
    """A snapshot that somebody has removed from the image is told, and can be deleted."""
    image = case.volume()
    first, = case.snapshot()
    write(image, [(0, block(1))])
    second, = case.snapshot()
    rbd("snap", "rm", "--no-progress", name_of(image, 0))
    said = "".join(case.run("check", "v", code=(1, 2, 3, 6, 7, 8, 9, 10, 11)))
    expect("gone" in said, said)
    case.run("export", str(first), case.folder + "/e", code=(1, 3, 6, 7, 8, 9, 10, 11))
    case.run("delete", str(first))
    expect(case.snapshots() == [second], "the other one stays")
    case.run("check", "v")
    rbd("snap", "rm", "--no-progress", name_of(image, 0))
    rbd("rm", "--no-progress", image)
    case.run("volume", "remove", "v", "--yes")


def history(case):
    """Random histories: all that snapshots hold, whatever is deleted or reverted."""
    seed = int(os.environ.get("SNAPMGR_SEED", random.randrange(1 << 32)))
    print(f"history: SNAPMGR_SEED={seed}", flush=True)
    draw = random.Random(seed)
    size = 8 * MIB
    image = case.volume(size=size)
    live, known = bytearray(size), {}
    for _ in range(int(os.environ.get("SNAPMGR_CEPH_OPERATIONS", "16"))):
        action = draw.choice(["write", "write", "write", "snapshot", "snapshot", "delete", "revert"])
        if action == "write" or not known and action != "snapshot":
            pieces = []
            for _ in range(draw.randrange(1, 6)):
                length = draw.choice([512, 4096, 12288, 300000])
                offset = draw.randrange(0, (size - length) // 512) * 512
                piece = length if draw.random() < 0.3 else draw.randbytes(length)
                pieces.append((offset, piece))
                live[offset:offset + length] = bytes(length) if isinstance(piece, int) else piece
            write(image, pieces)
        elif action == "snapshot":
            known[case.snapshot()[0]] = bytes(live)
        elif action == "delete":
            chosen = draw.choice(sorted(known))
            case.run("delete", str(chosen))
            del known[chosen]
        else:
            chosen = draw.choice(sorted(known))
            before = bytes(live)
            case.run("revert", str(chosen), "--yes")
            new = set(case.snapshots()) - set(known)
            live = bytearray(known[chosen])
            expect(len(new) <= 1, "a revert takes one snapshot at most")
            for safety in new:
                known[safety] = before
        expect(sorted(case.snapshots()) == sorted(known), f"the snapshots after {action}")
    expect(content(image) == bytes(live), "the image")
    names = [name for name in cluster_snapshots(image)]
    expect(len(names) == len(known), "as many as the cluster has")
    for number, snapshot in enumerate(sorted(known)):
        expect(content(f"{image}@{names[number]}") == known[snapshot], f"snapshot {snapshot}")
    for older, newer in zip(sorted(known), sorted(known)[1:]):
        told = ranges(case.json("diff", str(older), str(newer)))
        differing = {
            chunk for chunk in range(size // 4096)
            if known[older][chunk * 4096:(chunk + 1) * 4096] != known[newer][chunk * 4096:(chunk + 1) * 4096]}
        expect(differing <= told, "all that differs is told")
    case.run("check", "v")


CASES = [
    round_trip, changed, deletion, sets, revert, open_image, killed, overwritten, rights, huge, rebuild, refusals, resized,
    removed_by_others, history, osd_stopped, monitor_gone,
]


def main():
    wanted = sys.argv[2:]
    passed = failed = 0
    for case in CASES:
        if wanted and case.__name__ not in wanted:
            continue
        begun = time.monotonic()
        try:
            case(Case(case.__name__.replace("_", "-")))
            passed += 1
            print(f"{case.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
        except (Failure, subprocess.TimeoutExpired, KeyError, ValueError) as failure:
            failed += 1
            print(f"FAILED {case.__name__}: {type(failure).__name__}: {failure}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
