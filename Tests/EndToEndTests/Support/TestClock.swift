import Foundation
import Glibc
import SnapshotModel

/// A clock that a test sets, for the processes that it starts, for theirs and for all of their
/// threads. It is a file of the test's own, mapped by a preloaded library (`Tests/CTestClock`), so
/// that nothing else on the machine can touch it and nothing is left of it.
final class TestClock: Sendable {
    private let path: String
    /// What is added to the monotonic clock, in microseconds; written by this object alone.
    nonisolated(unsafe) private let offset: UnsafeMutablePointer<Int64>

    /// The preloaded library, which is built with the tests.
    static let library: String = {
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return package.appending(path: ".build/release/libsnapmgr-test-clock.so").path
    }()

    /// Makes the file.
    init(path: String) throws {
        guard access(Self.library, R_OK) == 0 else {
            throw Problem(.failed, "\(Self.library) is missing: build the tests")
        }
        self.path = path
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Problem(.failed, "no \(path): error \(errno)") }
        defer { close(descriptor) }
        let count = MemoryLayout<Int64>.size
        guard ftruncate(descriptor, off_t(count)) == 0,
            let bytes = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
            bytes != MAP_FAILED
        else { throw Problem(.failed, "\(path) cannot be mapped: error \(errno)") }
        offset = bytes.bindMemory(to: Int64.self, capacity: 1)
    }

    deinit { munmap(offset, MemoryLayout<Int64>.size) }

    /// What a process needs to see this clock.
    var environment: [String: String] {
        ["LD_PRELOAD": Self.library, "SNAPMGR_TEST_CLOCK": path]
    }

    /// Sets the clock for all who see it; it runs on from there.
    ///
    /// - Parameter seconds: since 1970.
    func set(_ seconds: Double) throws {
        guard let value = Int64(exactly: ((seconds - Instant.now) * 1e6).rounded()) else {
            throw Problem(.failed, "no clock shows \(seconds)")
        }
        offset.pointee = value
    }
}
