internal import System
internal import Synchronization

/// The file of a clone's area. When a sync of it fails, what was written since the last one may be lost
/// although the page cache goes on to show it, and no later sync would say so: from then on nothing is
/// written, and nothing promised, until the clone is opened anew.
final class CloneDevice: BlockDevice {
    /// What it stands before.
    let file: any BlockDevice
    private let hasFailed = Atomic<Bool>(false)
    private let onFailure: @Sendable (IOFailure) -> Void

    /// - Parameter onFailure: hears of the first sync that fails.
    init(_ file: any BlockDevice, onFailure: @escaping @Sendable (IOFailure) -> Void) {
        self.file = file
        self.onFailure = onFailure
    }

    var path: String { file.path }
    /// Whether what was written may be lost.
    var isInDoubt: Bool { hasFailed.load(ordering: .acquiring) }

    private func requireSound(_ operation: String) throws(IOFailure) {
        guard isInDoubt else { return }
        throw .inputOutput(operation, path: path)
    }

    func sync() throws(IOFailure) {
        try requireSound("sync")
        do throws(IOFailure) { try file.sync() } catch {
            if !hasFailed.exchange(true, ordering: .acquiringAndReleasing) { onFailure(error) }
            throw error
        }
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        try requireSound("write")
        try file.write(bytes, at: offset)
    }

    func punch(_ range: Range<Int>) throws(IOFailure) {
        try requireSound("free a range of")
        try file.punch(range)
    }

    func resize(to byteCount: Int) throws(IOFailure) {
        try requireSound("resize")
        try file.resize(to: byteCount)
    }

    func byteCount() throws(IOFailure) -> Int { try file.byteCount() }
    func allocatedBytes() throws(IOFailure) -> Int { try file.allocatedBytes() }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        try file.read(into: &buffer, at: offset)
    }

    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        try file.firstData(in: range)
    }

    func allocate(_ range: Range<Int>) throws(IOFailure) { try file.allocate(range) }
    func startWriteback(of range: Range<Int>) { file.startWriteback(of: range) }
}
