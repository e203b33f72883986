internal import Glibc

/// The running kernel's release, as `uname -r` tells it: `6.1.0-49-amd64`.
package struct KernelRelease: Hashable, Sendable {
    package let text: String
    /// The numbers that the text begins with. Distributions' kernels may leave the third at 0 and
    /// count their own after the dash, so only the first two tell what a kernel has.
    package let version: VersionNumber

    package init?(text: String) {
        let numbers = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let parts = numbers.split(separator: ".").prefix(3)
        guard parts.count >= 2, let version = VersionNumber(text: parts.joined(separator: "."))
        else { return nil }
        self.text = text
        self.version = version
    }

    /// The kernel that this process runs on; nil if its release cannot be read.
    package static var current: KernelRelease? {
        var name = utsname()
        guard uname(&name) == 0 else { return nil }
        let text = withUnsafePointer(to: &name.release) { pointer in
            pointer.withMemoryRebound(
                to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)
            ) { String(cString: $0) }
        }
        return KernelRelease(text: text)
    }

    /// Since 5.11, `snapshot-merge` flushes what it merged before its metadata says so. Before, a
    /// power failure in mid-merge could lose merged data, unless a distribution has taken the
    /// change over (Linux commit fcc42338375a).
    package var flushesMergedData: Bool { version >= VersionNumber(5, 11, 0) }
}

extension KernelRelease: CustomStringConvertible {
    package var description: String { text }
}
