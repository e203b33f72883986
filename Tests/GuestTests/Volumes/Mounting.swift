import Glibc

/// Filesystems on devices, mounted while a case needs them.
enum Mounting {
    /// Makes an empty filesystem on a device.
    static func make(_ type: String, on device: String, options: [String] = []) throws {
        let words = type == "xfs" ? ["mkfs.xfs", "-q", "-f"] : ["mkfs.ext4", "-q", "-F"]
        let (status, text) = try Tool.attempt(words + options + [device])
        try expect(status == 0, "no \(type) on \(device): \(text)")
    }

    static func mount(
        _ device: String, at path: String, _ type: String, options: String = "",
        fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        _ = mkdir(path, 0o700)
        // Who has just changed the device, as a daemon that was waited for by what it said, may have it for itself still.
        for _ in 0..<1000 {
            if Glibc.mount(device, path, type, 0, options) == 0 { return }
            guard errno == EBUSY else { break }
            usleep(10_000)
        }
        try expect(
            false, "cannot mount \(device) at \(path): \(String(cString: strerror(errno)))",
            fileID: fileID, line: line)
    }

    static func unmount(
        _ path: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        // A program that was just ended may still be closing its files.
        for _ in 0..<200 {
            if umount(path) == 0 || errno == EINVAL { return }
            usleep(10_000)
        }
        try expect(
            false, "cannot unmount \(path): \(String(cString: strerror(errno)))", fileID: fileID,
            line: line)
    }
}
