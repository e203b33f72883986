package import System
package import SnapshotModel

// The log of first writes in a store.
extension Store {
    /// The log as it lies; nil when there is none.
    package func openWriteBackLog(writable: Bool) throws(Problem) -> (any BlockDevice)? {
        guard try exists(StoreLayout.writeBackLog) else { return nil }
        return try doing { () throws(IOFailure) in
            try folder.openFile(StoreLayout.writeBackLog, writable: writable)
        }
    }

    /// Makes an empty log, durably, with all of its space.
    package func createWriteBackLog(
        _ header: WriteBackHeader
    ) throws(IOFailure) -> any BlockDevice {
        let device = try folder.createFile(
            StoreLayout.writeBackLog, byteCount: header.fileBytes)
        do throws(IOFailure) {
            try device.allocate(0..<header.fileBytes)
            try header.write(to: device)
            try device.sync()
            try folder.syncFolder("")
            return device
        } catch {
            // What stays has no header, and is removed at the next open.
            try? folder.removeFile(StoreLayout.writeBackLog)
            throw error
        }
    }

    /// Removes a log of which all is in the origin.
    package func removeWriteBackLog() throws(Problem) {
        guard try exists(StoreLayout.writeBackLog) else { return }
        try doing { () throws(IOFailure) in
            try folder.removeFile(StoreLayout.writeBackLog)
            try folder.syncFolder("")
        }
    }

    /// Keeps a log that must not be brought into the origin under another name, durably.
    ///
    /// - Returns: its new path.
    package func setWriteBackLogAside() throws(Problem) -> String {
        var number = 1
        while try exists(StoreLayout.asideWriteBackLog(number)) { number += 1 }
        let name = StoreLayout.asideWriteBackLog(number)
        try doing { () throws(IOFailure) in
            try folder.rename(StoreLayout.writeBackLog, to: name)
            try folder.syncFolder("")
        }
        return "\(folder.path)/\(name)"
    }

    /// The paths of logs that were set aside.
    package func writeBackLogsAside() throws(Problem) -> [String] {
        try doing { () throws(IOFailure) in try folder.list("") }
            .filter(StoreLayout.isAsideWriteBackLog).sorted().map { "\(folder.path)/\($0)" }
    }
}

extension StoreLayout {
    /// The log of first writes that are answered and not in the origin yet.
    package static let writeBackLog = "write-back.log"
    private static let asideWriteBackPrefix = "aside-write-back-"

    /// A log that does not belong to the origin any more.
    static func asideWriteBackLog(_ number: Int) -> String {
        "\(asideWriteBackPrefix)\(number).log"
    }

    static func isAsideWriteBackLog(_ name: String) -> Bool {
        name.hasPrefix(asideWriteBackPrefix) && name.hasSuffix(".log")
    }
}

extension WriteBackHeader {
    /// Puts the header at the beginning of a log; durable after the log's next sync.
    package func write(to device: any BlockDevice) throws(IOFailure) {
        var buffer = AlignedBuffer(count: Self.byteCount)
        var bytes = buffer.mutableBytes
        encode(into: &bytes)
        try device.write(buffer.bytes, at: 0)
    }
}
