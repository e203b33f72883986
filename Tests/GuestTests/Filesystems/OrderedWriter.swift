import System
import SnapshotModel

/// Writes one number after the other to several devices, in their order, each write made durable
/// before the next.
final class OrderedWriter: Sendable {
    private struct State: Sendable {
        var isStopping = false
        /// The number that all devices have.
        var written = 0
        var failure: String?
    }

    private let paths: [String]
    private let state = Monitored(State())
    private let threads = Monitored<[BackgroundThread]>([])
    private static let blockBytes = 4096
    /// Numbers go to one block after the other, and to the first besides.
    private static let blockCount = 500

    init(_ paths: [String]) { self.paths = paths }

    var written: Int { state.withLock { $0.written } }

    func start() {
        let thread = BackgroundThread.start(name: "writer") { [self] in
            do { try run() } catch { state.change { $0.failure = "\(error)" } }
        }
        threads.change { $0.append(thread) }
    }

    /// Ends the writer; ends the case if a write has failed.
    func stop() throws {
        state.change { $0.isStopping = true }
        let running = threads.change { list in
            defer { list = [] }
            return list
        }
        running.forEach { $0.join() }
        try expectEqual(state.withLock { $0.failure }, nil, "failure of the writer")
    }

    private func run() throws {
        let devices = try paths.map { try DirectDevice(path: $0) }
        while !state.withLock({ $0.isStopping }) {
            let number = written + 1
            for device in devices {
                try Self.write(number, to: device, block: 1 + number % Self.blockCount)
                try Self.write(number, to: device, block: 0)
                try device.sync()
            }
            state.change { $0.written = number }
        }
    }

    private static func write(_ number: Int, to device: DirectDevice, block: Int) throws {
        var buffer = AlignedBuffer(count: blockBytes)
        var bytes = buffer.mutableBytes
        bytes.store(littleEndian: UInt64(number), at: 0)
        try device.write(buffer.bytes, at: block * blockBytes)
    }

    /// The last number that a device has. Ends the case unless the number before it is where it was
    /// written.
    static func number(on path: String) throws -> Int {
        let device = try DirectDevice(path: path, isReadOnly: true)
        let number = try read(device, block: 0)
        guard number > 0 else { return 0 }
        try expectEqual(
            try read(device, block: 1 + number % blockCount), number, "number in its block")
        return number
    }

    private static func read(_ device: DirectDevice, block: Int) throws -> Int {
        var buffer = AlignedBuffer(count: blockBytes)
        try device.read(into: &buffer, at: block * blockBytes)
        let number: UInt64 = buffer.bytes.littleEndian(at: 0)
        return Int(number)
    }
}
