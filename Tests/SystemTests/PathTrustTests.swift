import System
import Glibc
import SnapshotModel
import TestKit
import Testing

@Suite("M3: paths that others can change")
struct PathTrustTests {
    /// Below `/tmp`, whose sticky bit is part of what is tested.
    private let temporary = TemporaryFolder(in: "/tmp")
    private let trust = PathTrust.ofThisProcess
    /// Whoever runs the tests is a stranger to this user.
    private let stranger = PathTrust(user: 4_000_000_000)

    private func path(_ name: String) -> String { temporary.path + "/" + name }

    private func makeFile(_ name: String, mode: mode_t) throws {
        try temporary.folder.writeFile(name, [1])
        #expect(chmod(path(name), mode) == 0)
    }

    private func makeFolder(_ name: String, mode: mode_t) {
        #expect(mkdir(path(name), 0o700) == 0 && chmod(path(name), mode) == 0)
    }

    @Test("M3: one's own file below a sticky folder is trusted")
    func own() throws {
        try makeFile("file", mode: 0o644)
        #expect(try trust.flaw(of: path("file")) == nil)
        #expect(try trust.flaw(of: "/etc/passwd") == nil)
        #expect(try trust.flaw(of: "/") == nil)
    }

    @Test("M3: a file that its group or everybody may write to is named with its owner")
    func writable() throws {
        try makeFile("group", mode: 0o664)
        try makeFile("all", mode: 0o646)
        let group = try #require(try trust.flaw(of: path("group")))
        #expect(group.cause == .writableByGroup && group.path == path("group"))
        #expect(try trust.flaw(of: path("all"))?.cause == .writableByAll)
        let refusal = group.refusal(of: "the file", alternative: "go")
        #expect(refusal.code == .refused && refusal.hint == "`chmod go-w \(path("group"))`, or go")
    }

    @Test("M3: a folder on the way that others may write to is named")
    func folderOnTheWay() throws {
        makeFolder("open", mode: 0o777)
        try makeFile("open/file", mode: 0o600)
        #expect(try trust.flaw(of: path("open/file"))?.path == path("open"))
        #expect(chmod(path("open"), 0o1777) == 0)
        #expect(try trust.flaw(of: path("open/file")) == nil)
    }

    @Test("M3: a sticky folder is fine on the way, but not as the place itself")
    func stickyPlace() throws {
        #expect(try trust.flaw(of: "/tmp")?.cause == .writableByAll)
        #expect(try trust.flaw(of: path("missing/deeper")) == nil)
    }

    @Test("M3: what a symbolic link names is walked, too")
    func links() throws {
        makeFolder("open", mode: 0o777)
        try makeFile("open/file", mode: 0o600)
        #expect(symlink("open/../open/file", path("link")) == 0)
        #expect(symlink(path("link"), path("second")) == 0)
        #expect(try trust.flaw(of: path("second"))?.path == path("open"))
        #expect(symlink("circle", path("circle")) == 0)
        #expect(throws: IOFailure("examine", path: path("circle"), code: ELOOP)) {
            try trust.flaw(of: path("circle"))
        }
    }

    @Test("M3: what belongs to somebody else is named with its owner", .enabled(if: getuid() == 0))
    func foreignOwner() throws {
        makeFolder("theirs", mode: 0o755)
        try makeFile("theirs/file", mode: 0o644)
        let nobody = try #require(getpwnam("nobody")).pointee
        #expect(chown(path("theirs"), nobody.pw_uid, nobody.pw_gid) == 0)
        let flaw = try #require(try trust.flaw(of: path("theirs/file")))
        #expect(flaw == PathFlaw(path: path("theirs"), cause: .owner, owner: "nobody"))
        #expect(try PathTrust(user: nobody.pw_uid).flaw(of: path("theirs")) == nil)
    }

    @Test(
        "M3: the link of a stranger in a sticky folder is not followed", .enabled(if: getuid() == 0)
    )
    func foreignLink() throws {
        try makeFile("file", mode: 0o644)
        #expect(symlink("file", path("link")) == 0 && lchown(path("link"), 65_534, 65_534) == 0)
        #expect(try trust.flaw(of: path("link"))?.path == path("link"))
    }

    @Test("M3: an owner without a name is told by number", .enabled(if: getuid() != 0))
    func ownFileOfAnother() throws {
        try makeFile("file", mode: 0o644)
        #expect(try stranger.flaw(of: path("file"))?.path == temporary.path)
    }
}
