internal import System
internal import SnapshotModel
internal import VolumeAccess

/// A device of the kernel's, open for one client: through the page cache, which all clients of the
/// device share with everybody else who has it open.
final class DeviceContent: ExportContent {
    let byteCount: Int
    let description: String
    let preferredBytes: Int
    let isWritable: Bool
    /// Nil once the client has gone.
    private let device: Monitored<(any BlockDevice)?>
    private let onClose: @Sendable () -> Void

    /// - Parameter onClose: called once the device is closed.
    init(
        _ device: any BlockDevice, byteCount: Int, isWritable: Bool, description: String,
        preferredBytes: Int, onClose: @escaping @Sendable () -> Void = {}
    ) {
        self.byteCount = byteCount
        self.device = Monitored(device)
        self.isWritable = isWritable
        self.description = description
        self.preferredBytes = preferredBytes
        self.onClose = onClose
    }

    // The kernel's `snapshot-origin` takes no discards: trimming would have to write zeroes, which
    // keep more in the store, and free nothing. The same goes for zeroes that must be fast.
    var canTrim: Bool { false }
    var isZeroFast: Bool { false }

    private func open() throws(Problem) -> any BlockDevice {
        guard let device = device.withLock({ $0 }) else {
            throw Problem(.failed, "\(description) is closed")
        }
        return device
    }

    private func writable() throws(Problem) -> any BlockDevice {
        guard isWritable else { throw readOnlyProblem }
        return try open()
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let device = try open()
        do throws(IOFailure) {
            try device.read(into: &buffer, at: offset)
        } catch { throw Problem(error) }
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        let device = try writable()
        do throws(IOFailure) {
            try device.write(bytes, at: offset)
            if isDurable { try device.sync() }
        } catch { throw Problem(error) }
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        let device = try writable()
        try doing { () throws(IOFailure) in
            try device.punch(range)
            if isDurable { try device.sync() }
        }
    }

    /// The page cache's and then the device's own: a flush by any client covers all of them.
    func flush() throws(Problem) {
        guard isWritable else { return }
        let device = try open()
        try doing { () throws(IOFailure) in try device.sync() }
    }

    /// All is data: to know better would cost a look at the areas' maps.
    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        [Extent(range: range, isHole: false)]
    }

    func close() {
        device.withLock { $0 = nil }
        onClose()
    }
}
