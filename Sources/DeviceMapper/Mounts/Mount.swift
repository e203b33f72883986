/// A mount, as a line of `/proc/PID/mountinfo` tells it; see proc(5).
struct Mount: Hashable, Sendable {
    /// The filesystem's device number; one with the major number 0 where a filesystem, such as
    /// btrfs, has numbers of its own.
    var number: DeviceNumber
    /// The folder of the filesystem that is shown: `/` is the whole.
    var root: String
    var point: String
    /// The kernel's word for the filesystem.
    var filesystem: String
    /// What was mounted, in the filesystem's own words: mostly a device's path.
    var source: String

    /// Nil for a line that is none.
    init?(line: some StringProtocol) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        // Optional fields end at a dash; the filesystem's kind and the source follow it.
        guard words.count >= 10, let number = DeviceNumber(text: words[2]),
            let dash = words[6...].firstIndex(of: "-"), dash + 2 < words.count
        else { return nil }
        self.number = number
        root = Self.unescaped(words[3])
        point = Self.unescaped(words[4])
        filesystem = String(words[dash + 1])
        source = Self.unescaped(words[dash + 2])
    }

    /// The device that it was mounted from; nil when there is none. A Btrfs has a number of its own, and tells its
    /// device's path: the kernel's word, and nobody else's.
    var deviceNumber: DeviceNumber? {
        guard number.major == 0 else { return number }
        return filesystem == "btrfs" ? try? BlockDevices.number(source) : nil
    }

    /// All mounts of a file's text.
    static func all(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { Mount(line: $0) }
    }

    /// The last mount of a device that shows all of its filesystem, and not a folder of it alone.
    static func whole(_ number: DeviceNumber, of mounts: [Mount]) -> Mount? {
        mounts.last { $0.number == number && $0.root == "/" }
    }

    /// The mount that a path without links is in: the last one on the longest folder above it.
    static func holding(_ path: String, of mounts: [Mount]) -> Mount? {
        let above = mounts.filter {
            path == $0.point || path.hasPrefix($0.point == "/" ? "/" : $0.point + "/")
        }
        return above.reduce(nil) { nearest, mount in
            guard let nearest, nearest.point.utf8.count > mount.point.utf8.count else {
                return mount
            }
            return nearest
        }
    }

    /// The paths by which a file of a filesystem may be seen through its mounts. The kernel tells a
    /// path by the mount that the file was opened through, which may be gone, or another namespace's:
    /// then only some of the path's end is the same here.
    static func paths(of path: String, on filesystem: DeviceNumber, _ mounts: [Mount]) -> [String] {
        let words = path.split(separator: "/")
        let points = mounts.filter { mount in
            if filesystem.major != 0 { return mount.number == filesystem }
            // A Btrfs has numbers that the table does not know. A network's filesystem is not asked:
            // it might not answer.
            return mount.number.major == 0 && mount.source.hasPrefix("/dev/")
        }.map { $0.point == "/" ? "" : $0.point }
        let ends = words.indices.map { "/" + words[$0...].joined(separator: "/") }
        return [path] + points.flatMap { point in ends.map { point + $0 } }
    }

    /// The kernel writes blanks, line ends and backslashes as `\040`: three octal digits.
    static func unescaped(_ text: some StringProtocol) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var position = 0
        while position < bytes.count {
            let digits = bytes[position...].dropFirst().prefix(3)
            if bytes[position] == UInt8(ascii: "\\"), digits.count == 3,
                digits.allSatisfy({ (0x30...0x37).contains($0) }),
                let byte = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                result.append(byte)
                position += 4
            } else {
                result.append(bytes[position])
                position += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
