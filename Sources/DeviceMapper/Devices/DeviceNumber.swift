/// The kernel's number of a block device.
package struct DeviceNumber: Hashable, Sendable {
    package var major: UInt32
    package var minor: UInt32

    package init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// The number within `stat`'s `st_dev` or `st_rdev`; see makedev(3). The kernel's own
    /// interfaces encode it in the same way, as long as the major number has 12 bits.
    package init(encoded: UInt64) {
        let major = encoded >> 8 & 0xfff | encoded >> 32 & 0xffff_f000
        let minor = encoded & 0xff | encoded >> 12 & 0xffff_ff00
        self.init(major: UInt32(major), minor: UInt32(minor))
    }

    /// As in `/proc`, `/sys` and device-mapper's tables: `253:7`.
    package init?(text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = UInt32(digits: parts[0]),
            let minor = UInt32(digits: parts[1])
        else { return nil }
        self.init(major: major, minor: minor)
    }

    /// As `stat` tells it.
    package var encoded: UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return (major & 0xfff) << 8 | (major & ~0xfff) << 32 | minor & 0xff | (minor & ~0xff) << 12
    }
}

extension DeviceNumber: CustomStringConvertible {
    package var description: String { "\(major):\(minor)" }
}

extension FixedWidthInteger {
    /// Decimal digits and nothing else: no sign, no blanks.
    init?(digits text: some StringProtocol) {
        guard let first = text.utf8.first, (0x30...0x39).contains(first) else { return nil }
        self.init(text, radix: 10)
    }
}
