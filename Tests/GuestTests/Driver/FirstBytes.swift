import System

/// The first bytes of a device that is longer than what is on it.
final class FirstBytes: BlockDevice {
    private let device: DirectDevice
    private let count: Int

    init(_ count: Int, of device: DirectDevice) {
        self.device = device
        self.count = count
    }

    var path: String { device.path }

    func byteCount() throws(IOFailure) -> Int { count }
    func allocatedBytes() throws(IOFailure) -> Int { count }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        try device.read(into: &buffer, at: offset)
    }
    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        try device.write(bytes, at: offset)
    }
    func punch(_ range: Range<Int>) throws(IOFailure) { try device.punch(range) }
    func sync() throws(IOFailure) { try device.sync() }
    func resize(to byteCount: Int) throws(IOFailure) { try device.resize(to: byteCount) }
}
