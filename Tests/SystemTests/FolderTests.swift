import System
import Glibc
import TestKit
import Testing

/// The real filesystem and the simulated disk must agree, or the simulation proves nothing.
@Suite("A folder, real and simulated")
struct FolderTests {
    private let temporary = TemporaryFolder()

    private enum Kind: CaseIterable {
        case real
        case simulated
    }

    private func folder(_ kind: Kind) -> any Folder {
        switch kind {
        case .real: temporary.folder
        case .simulated: SimulatedDisk()
        }
    }

    @Test("makes, lists, renames and removes", arguments: Kind.allCases)
    private func names(kind: Kind) throws {
        let folder = folder(kind)
        try folder.makeFolder("a")
        try folder.writeFile("a/x", [1, 2, 3])
        _ = try folder.createFile("a/y", byteCount: 1000)
        #expect(try folder.list("a").sorted() == ["x", "y"])
        try folder.rename("a/x", to: "a/y")
        #expect(try folder.list("a") == ["y"])
        #expect(try folder.readFile("a/y", limitBytes: 3) == [1, 2, 3])
        try folder.syncFolder("a")
        #expect(try folder.exists("a/y") && !folder.exists("a/x") && folder.exists("a"))
        try folder.removeFile("a/y")
        try folder.removeFolder("a")
        #expect(try folder.list("") == [])
        #expect(try folder.freeBytes() > 0)
    }

    @Test("a file that is written again loses its old content", arguments: Kind.allCases)
    private func overwrite(kind: Kind) throws {
        let folder = folder(kind)
        try folder.writeFile("x", [1, 2, 3])
        try folder.writeFile("x", [9])
        #expect(try folder.readFile("x", limitBytes: 10) == [9])
        try folder.replaceFile("x", [7, 7])
        #expect(try folder.readFile("x", limitBytes: 10) == [7, 7])
        #expect(try folder.list("") == ["x"])
    }

    @Test("refuses what the filesystem refuses", arguments: Kind.allCases)
    private func refusals(kind: Kind) throws {
        let folder = folder(kind)
        try folder.makeFolder("a")
        try folder.writeFile("a/x", [1, 2, 3])
        #expect(code { _ = try folder.createFile("a/x", byteCount: 1) } == EEXIST)
        #expect(code { _ = try folder.openFile("a/z", writable: true) } == ENOENT)
        #expect(code { _ = try folder.openFile("a", writable: false) } == EISDIR)
        #expect(code { _ = try folder.readFile("a/x", limitBytes: 2) } == EFBIG)
        #expect(code { _ = try folder.readFile("b/x", limitBytes: 2) } == ENOENT)
        #expect(code { try folder.makeFolder("a") } == EEXIST)
        #expect(code { try folder.removeFolder("a") } == ENOTEMPTY)
        #expect(code { try folder.removeFile("a/z") } == ENOENT)
        #expect(code { try folder.rename("a/z", to: "a/x") } == ENOENT)
        #expect(code { _ = try folder.list("b") } == ENOENT)
    }

    private func code(_ body: () throws -> Void) -> Int32? {
        do { try body() } catch let failure as IOFailure { return failure.code } catch {}
        return nil
    }

    @Test("C1: only what the kernel says is not there is absent")
    private func absence() throws {
        let folder = temporary.folder
        try folder.writeFile("file", [1])
        #expect(try !folder.exists("none") && !folder.exists("none/x") && !folder.exists("file/x"))
        #expect(symlink("nowhere", folder.path + "/dangling") == 0)
        #expect(try folder.exists("dangling"))
        let long = String(repeating: "n", count: 300)
        #expect(code { _ = try folder.exists(long) } == ENAMETOOLONG)
        #expect(code { _ = try FileFolder.exists(path: folder.path + "/" + long) } == ENAMETOOLONG)
        #expect(try !FileFolder.exists(path: folder.path + "/none"))
    }

    @Test("one look at much sees what each look alone sees, and follows no link either")
    private func oneLook() throws {
        let folder = temporary.folder
        for name in ["a", "a/1", "a/2", "b", "b/1"] {
            try folder.makeFolder(name)
            try folder.writeFile(name + "/x", Array(name.utf8))
        }
        #expect(symlink("../b", folder.path + "/a/3") == 0)
        let look = folder.forOneLook()
        #expect(look.path == folder.path)
        for name in ["a/1", "a", "b/1", "a/2", "a/1", "b", "a/2"] {
            #expect(try look.readFile(name + "/x", limitBytes: 10) == Array(name.utf8))
            #expect(try look.exists(name + "/x") && !look.exists(name + "/y"))
            #expect(try look.list(name).sorted() == folder.list(name).sorted())
        }
        #expect(try !look.exists("a/4/x") && !look.exists("c/1/x") && !look.exists("a/x/y"))
        #expect(code { _ = try look.exists("a/3/x") } == ELOOP)
        #expect(code { _ = try look.readFile("a/3/1/x", limitBytes: 10) } == ELOOP)
        #expect(try look.readFile("a/2/x", limitBytes: 10) == Array("a/2".utf8))
        // What is new or gone within a folder is seen, also in one that is open still.
        try folder.writeFile("a/2/new", [1])
        try folder.removeFile("a/2/x")
        #expect(try look.exists("a/2/new") && !look.exists("a/2/x"))
    }

    /// The descriptors of this process that are of files below a folder.
    private func openCount(below path: String) -> Int {
        (0..<4096).count { number in
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/fd/\(number)", &buffer, buffer.count)
            guard count > 0 else { return false }
            let target = String(
                decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return target.hasPrefix(path + "/")
        }
    }

    @Test("one look keeps two folders open at most, and none when it ends")
    private func oneLookDescriptors() throws {
        let folder = temporary.folder
        let path = try FileFolder.realPath(folder.path)
        try folder.makeFolder("a")
        for number in 0..<20 {
            try folder.makeFolder("a/\(number)")
            try folder.writeFile("a/\(number)/x", [1])
        }
        do {
            let look = folder.forOneLook()
            for number in 0..<20 {
                #expect(try look.exists("a/\(number)/x"))
                #expect((1...2).contains(openCount(below: path)))
            }
            // What is put in the place of a folder that is open need not be seen.
            try folder.rename("a/19", to: "b")
            try folder.makeFolder("a/19")
            #expect(try look.exists("a/19/x") && !folder.exists("a/19/x"))
            withExtendedLifetime(look) {}
        }
        #expect(openCount(below: path) == 0)
    }

    @Test("H1: no symbolic link below the folder is followed, whatever is done")
    private func links() throws {
        let folder = temporary.folder
        try folder.makeFolder("outside")
        try folder.writeFile("outside/data", [7])
        try folder.makeFolder("store")
        #expect(symlink("../outside", folder.path + "/store/sub") == 0)
        #expect(symlink("../outside/data", folder.path + "/store/lock") == 0)
        #expect(symlink("../outside/data", folder.path + "/store/x.new") == 0)
        let store = FileFolder(path: folder.path + "/store")
        #expect(code { _ = try store.openFile("lock", writable: true) } == ELOOP)
        #expect(code { _ = try store.readFile("lock", limitBytes: 10) } == ELOOP)
        #expect(code { _ = try FileLock.acquire("lock", in: store) } == ELOOP)
        #expect(code { _ = try store.list("sub") } == ELOOP)
        #expect(code { _ = try store.exists("sub/data") } == ELOOP)
        #expect(code { try store.removeFile("sub/data") } == ELOOP)
        #expect(code { _ = try store.createFile("sub/new", byteCount: 0) } == ELOOP)
        // The temporary file of a replaced one is made anew.
        try store.replaceFile("x", [1, 2])
        #expect(try folder.readFile("outside/data", limitBytes: 10) == [7])
        #expect(try store.readFile("x", limitBytes: 10) == [1, 2])
        #expect(try folder.list("outside") == ["data"])
    }

    @Test("H1: a temporary file that has another name, too, is not overwritten")
    private func hardLinks() throws {
        let folder = temporary.folder
        try folder.writeFile("data", [7])
        #expect(link(folder.path + "/data", folder.path + "/x.new") == 0)
        #expect(link(folder.path + "/data", folder.path + "/lock") == 0)
        try folder.replaceFile("x", [1])
        let lock = try #require(try FileLock.acquire("lock", in: folder))
        lock.describeHolder("somebody")
        #expect(try folder.readFile("data", limitBytes: 10) == [7])
    }

    @Test("H1: what is done below a folder stays in it when its path leads elsewhere")
    private func exchanged() throws {
        let folder = temporary.folder
        try folder.makeFolder("store")
        try folder.makeFolder("other")
        let store = FileFolder(path: folder.path + "/store")
        try store.writeFile("a", [1])
        try folder.rename("store", to: "moved")
        try folder.rename("other", to: "store")
        try store.writeFile("b", [2])
        #expect(try folder.list("moved").sorted() == ["a", "b"])
        #expect(try folder.list("store").isEmpty)
    }

    @Test("R4: who looks whether a lock is held is in nobody's way")
    private func locks() throws {
        let folder = temporary.folder
        #expect(try !FileLock.isHeld("lock", in: folder) && !folder.exists("lock"))
        do {
            let lock = try #require(try FileLock.acquire("lock", in: folder))
            #expect(try FileLock.isHeld("lock", in: FileFolder(path: folder.path)))
            #expect(try FileLock.acquire("lock", in: folder) == nil)
            withExtendedLifetime(lock) {}
        }
        #expect(try !FileLock.isHeld("lock", in: folder))
    }

    @Test("H5: a pipe in a file's place is refused at once")
    private func pipes() throws {
        let folder = temporary.folder
        #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
        for writable in [false, true] {
            #expect(code { _ = try folder.openFile("pipe", writable: writable) } != nil)
        }
        #expect(code { _ = try folder.readFile("pipe", limitBytes: 10) } != nil)
        #expect(code { _ = try FileLock.acquire("pipe", in: folder) } == EINVAL)
        #expect(
            code { _ = try FileDevice(path: folder.path + "/pipe", access: .readWrite) } != nil)
    }

    @Test("H5: opening a pipe in a file's place waits for no other end")
    private func pipesWithoutEnd() throws {
        let folder = temporary.folder
        let path = folder.path + "/pipe"
        #expect(mkfifo(path, 0o600) == 0)
        let (isDone, wasStuck) = (Monitored(false), Monitored(false))
        // Who waits for ever is let go, and told.
        let rescuer = BackgroundThread.start(name: "rescuer") {
            let isFree = isDone.wait(milliseconds: 60_000) { $0 ? true : nil }
            guard isFree == nil else { return }
            wasStuck.withLock { $0 = true }
            let end = Glibc.open(path, O_RDWR | O_NONBLOCK)
            _ = isDone.wait { $0 ? true : nil }
            close(end)
        }
        #expect(code { _ = try folder.openFile("pipe", writable: false) } != nil)
        #expect(code { _ = try FileDevice(path: path, access: .readOnly) } != nil)
        isDone.change { $0 = true }
        rescuer.join()
        #expect(!wasStuck.withLock { $0 })
    }

    @Test("a file open under no name can still be read and written", arguments: Kind.allCases)
    private func unlinked(kind: Kind) throws {
        let folder = folder(kind)
        let device = try folder.createFile("x", byteCount: 8)
        try folder.removeFile("x")
        try folder.syncFolder("")
        try device.write([1, 2], at: 6)
        #expect(try device.content(5..<9) == [0, 1, 2, 0])
    }
}
