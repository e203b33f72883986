import System
import Synchronization

/// Counts what passes to a device below.
final class CountingDevice: BlockDevice {
    private let device: any BlockDevice
    let counts: Counts

    /// Shared by all the devices of one measurement.
    final class Counts: Sendable {
        let readBytes = Atomic<Int>(0)
        let writtenBytes = Atomic<Int>(0)
        let syncs = Atomic<Int>(0)
        let calls = Atomic<Int>(0)
    }

    init(_ device: any BlockDevice, _ counts: Counts) {
        self.device = device
        self.counts = counts
    }

    var path: String { device.path }
    func byteCount() throws(IOFailure) -> Int { try device.byteCount() }
    func allocatedBytes() throws(IOFailure) -> Int { try device.allocatedBytes() }
    func stamp() throws(IOFailure) -> OriginStamp? { try device.stamp() }

    private func count(read: Int = 0, written: Int = 0, syncs: Int = 0) {
        counts.readBytes.add(read, ordering: .relaxed)
        counts.writtenBytes.add(written, ordering: .relaxed)
        counts.syncs.add(syncs, ordering: .relaxed)
        counts.calls.add(1, ordering: .relaxed)
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        count(read: buffer.byteCount)
        try device.read(into: &buffer, at: offset)
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        count(written: bytes.byteCount)
        try device.write(bytes, at: offset)
    }

    func punch(_ range: Range<Int>) throws(IOFailure) {
        count()
        try device.punch(range)
    }

    func sync() throws(IOFailure) {
        count(syncs: 1)
        try device.sync()
    }

    func resize(to byteCount: Int) throws(IOFailure) { try device.resize(to: byteCount) }

    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        try device.firstData(in: range)
    }

    func allocate(_ range: Range<Int>) throws(IOFailure) { try device.allocate(range) }
}

/// A folder whose files are counted.
struct CountingFolder: Folder {
    let folder: any Folder
    let counts: CountingDevice.Counts

    var path: String { folder.path }

    func createFile(_ name: String, byteCount: Int) throws(IOFailure) -> any BlockDevice {
        CountingDevice(try folder.createFile(name, byteCount: byteCount), counts)
    }

    func openFile(_ name: String, writable: Bool) throws(IOFailure) -> any BlockDevice {
        CountingDevice(try folder.openFile(name, writable: writable), counts)
    }

    func readFile(_ name: String, limitBytes: Int) throws(IOFailure) -> [UInt8] {
        try folder.readFile(name, limitBytes: limitBytes)
    }

    func writeFile(_ name: String, _ bytes: [UInt8]) throws(IOFailure) {
        try folder.writeFile(name, bytes)
    }

    func rename(_ name: String, to newName: String) throws(IOFailure) {
        try folder.rename(name, to: newName)
    }

    func removeFile(_ name: String) throws(IOFailure) { try folder.removeFile(name) }
    func makeFolder(_ name: String) throws(IOFailure) { try folder.makeFolder(name) }
    func removeFolder(_ name: String) throws(IOFailure) { try folder.removeFolder(name) }
    func list(_ name: String) throws(IOFailure) -> [String] { try folder.list(name) }
    func exists(_ name: String) throws(IOFailure) -> Bool { try folder.exists(name) }
    func isFolder(_ name: String) throws(IOFailure) -> Bool { try folder.isFolder(name) }
    func syncFolder(_ name: String) throws(IOFailure) { try folder.syncFolder(name) }
    func freeBytes() throws(IOFailure) -> Int { try folder.freeBytes() }
}
