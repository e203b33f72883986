package import System
internal import Glibc

/// A process that has a file open, as far as can be told: only root sees other users' processes.
package struct FileHolder: Hashable, Sendable {
    package var process: DeviceHolder.RunningProcess
    /// Whether it has locks on it.
    package var isLocking: Bool

    /// All processes but this one that have a file open; those that have locked it, if any has.
    package static func list(of file: LoopDevice.BackingFile) -> [FileHolder] {
        let all = SystemHint.names("/proc").compactMap { Int(digits: $0) }.sorted()
            .filter { $0 != Int(getpid()) }.compactMap { holder($0, file) }
        let locking = all.filter(\.isLocking)
        return locking.isEmpty ? all : locking
    }

    private static func holder(_ id: Int, _ file: LoopDevice.BackingFile) -> FileHolder? {
        let folder = "/proc/\(id)"
        let open = SystemHint.names(folder + "/fd").filter { name in
            (try? LoopDevice.BackingFile(path: "\(folder)/fd/\(name)")) == file
        }
        guard !open.isEmpty else { return nil }
        let isLocking = open.contains { name in
            SystemHint.text("\(folder)/fdinfo/\(name)")?.contains("\nlock:") ?? false
        }
        return FileHolder(
            process: DeviceHolder.RunningProcess(
                id: id, program: SystemHint.line(folder + "/comm") ?? ""), isLocking: isLocking)
    }
}

extension LoopDevice {
    /// The loop devices through which a file can be written to.
    ///
    /// - Throws: when it cannot be told of one of them.
    package static func writers(of file: BackingFile) throws(IOFailure) -> [String] {
        var writers: [String] = []
        for name in try SystemFile.names("/sys/block").sorted() where name.hasPrefix("loop") {
            if try isWriter("/sys/block/" + name, of: file) { writers.append("/dev/" + name) }
        }
        return writers
    }

    private static func isWriter(
        _ folder: String, of file: BackingFile
    ) throws(IOFailure) -> Bool {
        guard let path = try SystemFile.line(folder + "/loop/backing_file"),
            try SystemFile.line(folder + "/ro") != "1"
        else { return false }
        // The path is in the words of who attached it, and only root may ask the device.
        if let found = try? BackingFile(path: path) { return found == file }
        guard let number = try SystemFile.line(folder + "/dev").flatMap({ DeviceNumber(text: $0) })
        else { return false }
        return try KernelBlockSystem().backing(of: number)?.file == file
    }

    /// The file behind a loop device and the path that it was attached by; nil for any other device.
    ///
    /// - Throws: when it cannot be told.
    package static func backing(
        of device: DeviceNumber
    ) throws(IOFailure) -> (file: BackingFile, path: String)? {
        try KernelBlockSystem().backing(of: device).map { ($0.file, $0.path) }
    }
}
