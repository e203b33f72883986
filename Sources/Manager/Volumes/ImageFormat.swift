internal import System
internal import SnapshotModel

/// A container of disk images, which is not a raw image: its metadata lies where a guest's data would.
enum ImageFormat: String, CaseIterable {
    // QEMU's names.
    case qcow
    case qcow2
    case qed
    case vmdk
    case vdi
    case vhdx
    case vpc
    case parallels

    private static let headBytes = 512
    private static let footerBytes = 512

    /// The format of a file or device; nil for anything that may be raw.
    static func detect(_ device: any BlockDevice, byteCount: Int) throws(IOFailure) -> ImageFormat?
    {
        let head = try bytes(of: device, at: 0, count: min(headBytes, byteCount))
        if let format = detect(head: head) { return format }
        // A fixed VHD is a raw image with a footer.
        let end = max(0, byteCount - footerBytes)
        let footer = try bytes(of: device, at: end, count: byteCount - end)
        return isVHD(footer) ? .vpc : nil
    }

    static func detect(head: [UInt8]) -> ImageFormat? {
        func has(_ text: String, at offset: Int = 0) -> Bool {
            head.dropFirst(offset).starts(with: text.utf8)
        }
        if head.starts(with: [0x51, 0x46, 0x49, 0xfb]) {
            return head.dropFirst(4).starts(with: [0, 0, 0, 1]) ? .qcow : .qcow2
        }
        if has("QED\0") { return .qed }
        if has("KDMV") || has("COWD") || has("# Disk DescriptorFile") { return .vmdk }
        if head.dropFirst(64).starts(with: [0x7f, 0x10, 0xda, 0xbe]) { return .vdi }
        if has("vhdxfile") { return .vhdx }
        if isVHD(head) { return .vpc }
        if has("WithoutFreeSpace") || has("WithouFreSpacExt") { return .parallels }
        return nil
    }

    private static func isVHD(_ bytes: [UInt8]) -> Bool { bytes.starts(with: "conectix".utf8) }

    private static func bytes(
        of device: any BlockDevice, at offset: Int, count: Int
    ) throws(IOFailure) -> [UInt8] {
        var buffer = AlignedBuffer(count: count)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: offset)
        return buffer.bytes.array
    }

    /// What people call it.
    var title: String {
        switch self {
        case .qcow, .qcow2, .qed: rawValue
        case .vpc: "VHD"
        case .vmdk, .vdi, .vhdx: rawValue.uppercased()
        case .parallels: "Parallels"
        }
    }
}

extension ImageFormat {
    /// - Throws: `refused` for a container, with the command that converts it.
    static func requireRaw(_ path: String, byteCount: Int) throws {
        let device = try FileDevice(path: path, access: .readOnly)
        guard let format = try detect(device, byteCount: byteCount) else { return }
        let stem = PathHalves(path).name.prefix { $0 != "." }
        let target = "\(stem.isEmpty ? "disk" : stem).raw"
        throw Problem(
            .refused, "the origin \(path) is a \(format.title) image, not a raw one",
            hint: "convert it: `qemu-img convert -f \(format.rawValue) -O raw "
                + "\(ShellWord(path)) \(ShellWord(target))`, and name the new file")
    }
}

/// A word as it is written in a shell's command line.
struct ShellWord: CustomStringConvertible {
    let description: String

    private static let plain = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+:@%,".utf8)

    init(_ text: String) {
        let isPlain = text.utf8.allSatisfy(Self.plain.contains)
        let parts = text.split(separator: "'", omittingEmptySubsequences: false)
        description = isPlain && !text.isEmpty ? text : "'\(parts.joined(separator: "'\\''"))'"
    }
}
