import DeviceMapper

/// A loop device as a mount of a partition that was killed leaves it.
struct LeftLoop {
    private let path: String
    private let label: String

    init(_ device: String) throws {
        label = "snapmgr-partition-2"
        path = try LoopDevice.attach(
            path: device, isReadOnly: true, directIO: false, label: label, part: 0..<1 << 20
        ).path
    }

    var isThere: Bool {
        get throws { try LoopDevice.all().contains { $0.path == path && $0.label == label } }
    }
}
