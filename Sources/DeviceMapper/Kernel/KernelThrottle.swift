package import System
internal import Glibc

/// The kernel's own throttle of its snapshot copies: the percentage of time in which they may run. It
/// is the machine's: merges and first writes of all volumes share it.
package enum KernelThrottle {
    private static let path = "/sys/module/dm_snapshot/parameters/snapshot_copy_throttle"

    package static func percent() throws(IOFailure) -> Int {
        // A file of the kernel's, whose size says nothing.
        guard let percent = try SystemFile.line(path).flatMap({ Int(digits: $0) }) else {
            throw IOFailure("read", path: path, code: ENOENT)
        }
        return percent
    }

    package static func set(percent: Int) throws(IOFailure) {
        let descriptor = try OwnedDescriptor(path: path, flags: O_WRONLY)
        let text = "\(percent)\n"
        guard write(descriptor.number, text, text.utf8.count) > 0 else {
            throw .last("write", path)
        }
    }
}
