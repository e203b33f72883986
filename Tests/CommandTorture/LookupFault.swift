import System
import Glibc

/// The file through which the preloaded library is told which look-up fails, and tells which did
/// (`Tests/CLookupFault`).
final class LookupFault {
    let path: String
    private let memory: UnsafeMutableRawPointer

    /// Where the fields lie in `struct snapmgr_lookup_fault`.
    private enum Field {
        static let count = 0
        static let index = 8
        static let code = 16
        static let isLasting = 20
        static let failures = 24
        static let root = 32
        static let output = 288
        static let errors = 544
        static let call = 800
        static let path = 832
        static let input = 1088
        static let end = 1344
        static let textBytes = 256
    }

    /// Makes the file.
    init(path: String, root: String, output: String, errors: String) throws {
        self.path = path
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDWR | O_CREAT)
        guard ftruncate(descriptor.number, off_t(Field.end)) == 0,
            let memory = mmap(
                nil, Field.end, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.number, 0),
            memory != MAP_FAILED
        else { throw IOFailure("map", path: path, code: errno) }
        self.memory = memory
        for (text, offset) in [
            (root, Field.root), (output, Field.output), (errors, Field.errors),
        ] {
            try write(text, at: offset)
        }
    }

    private func write(_ text: String, at offset: Int) throws {
        let bytes = Array(text.utf8) + [0]
        guard bytes.count <= Field.textBytes else {
            throw IOFailure("name", path: text, code: ENAMETOOLONG)
        }
        (memory + offset).copyMemory(from: bytes, byteCount: bytes.count)
    }

    /// Where the next commands' standard input comes from.
    ///
    /// - Parameter path: empty when they have none.
    func setInput(_ path: String) throws { try write(path, at: Field.input) }

    deinit { munmap(memory, Field.end) }

    /// - Parameter index: the look-up that fails, counted from 1; 0 when none shall.
    func arm(index: Int, code: Int32 = 0, isLasting: Bool = false) {
        memory.storeBytes(of: 0, toByteOffset: Field.index, as: Int64.self)
        memory.storeBytes(of: 0, toByteOffset: Field.count, as: Int64.self)
        memory.storeBytes(of: 0, toByteOffset: Field.failures, as: Int64.self)
        memory.storeBytes(of: code, toByteOffset: Field.code, as: Int32.self)
        memory.storeBytes(of: isLasting ? 1 : 0, toByteOffset: Field.isLasting, as: Int32.self)
        memory.storeBytes(of: Int64(index), toByteOffset: Field.index, as: Int64.self)
    }

    /// The look-ups since then.
    var count: Int { Int(memory.load(fromByteOffset: Field.count, as: Int64.self)) }

    var failures: Int { Int(memory.load(fromByteOffset: Field.failures, as: Int64.self)) }

    /// The call that failed first, and its path below the root.
    var failed: (call: String, path: String) {
        func text(_ offset: Int) -> String {
            String(cString: (memory + offset).assumingMemoryBound(to: CChar.self))
        }
        return (text(Field.call), text(Field.path))
    }
}

/// A clock for the commands, as `Tests/CTestClock` reads it.
final class CommandClock {
    let path: String
    private let memory: UnsafeMutableRawPointer

    init(path: String) throws {
        self.path = path
        let descriptor = try OwnedDescriptor(path: path, flags: O_RDWR | O_CREAT)
        let count = MemoryLayout<Int64>.size
        guard ftruncate(descriptor.number, off_t(count)) == 0,
            let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.number, 0),
            memory != MAP_FAILED
        else { throw IOFailure("map", path: path, code: errno) }
        self.memory = memory
    }

    deinit { munmap(memory, MemoryLayout<Int64>.size) }

    /// Sets it; it runs on from there.
    ///
    /// - Parameter seconds: since 1970.
    func set(_ seconds: Int64) {
        let offset = seconds * 1_000_000 - SystemClock().monotonicNanoseconds() / 1000
        memory.storeBytes(of: offset, as: Int64.self)
    }
}
