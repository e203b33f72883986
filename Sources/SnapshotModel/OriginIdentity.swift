/// What tells an origin from every other file and device, also after a restart of the machine.
package struct OriginIdentity: Hashable, Sendable, Codable {
    /// Of a file: its inode, the number of its filesystem's device, and when it was made, in
    /// nanoseconds since 1970, where the filesystem keeps that.
    package var inode: UInt64?
    package var device: UInt64?
    package var bornNanoseconds: Int64?
    /// Of a block device: its size, and the names that its maker or its software gave it:
    /// `wwid=...`, `serial=...`, `dm=...`, `loop=...`, `partition=...`.
    package var byteCount: Int?
    package var names: [String]?

    package init(file inode: UInt64, device: UInt64, bornNanoseconds: Int64?) {
        self.inode = inode
        self.device = device
        self.bornNanoseconds = bornNanoseconds
    }

    package init(blockDevice names: [String], byteCount: Int) {
        self.names = names
        self.byteCount = byteCount
    }

    /// Whether what is there now is what was recorded.
    ///
    /// The number of a filesystem's device is another one after the next start of the machine, or
    /// the next mount: it counts only where nothing better does. So does a device's size, which
    /// changes when a logical volume grows.
    package func matches(_ found: OriginIdentity) -> Bool {
        if let inode, let other = found.inode {
            guard inode == other else { return false }
            if let bornNanoseconds, let born = found.bornNanoseconds {
                return bornNanoseconds == born
            }
            return device == found.device || (isOnNoDevice && found.isOnNoDevice)
        }
        guard let names, let others = found.names else { return false }
        let known = Self.byKind(names)
        let shared = Self.byKind(others).filter { known[$0.key] != nil }
        guard shared.allSatisfy({ known[$0.key] == $0.value }) else { return false }
        // Which partition it is says nothing of the disk.
        return shared.keys.contains { $0 != "partition" } || byteCount == found.byteCount
    }

    /// Whether the filesystem's number is only one of a mount, as a network filesystem's is: its
    /// major part is 0.
    private var isOnNoDevice: Bool { device.map { $0 & 0xffff_f000_000f_ff00 == 0 } ?? false }

    private static func byKind(_ names: [String]) -> [Substring: Substring] {
        names.reduce(into: [:]) { result, name in
            let parts = name.split(separator: "=", maxSplits: 1)
            guard let kind = parts.first, parts.count == 2 else { return }
            result[kind] = parts[1]
        }
    }
}

extension OriginIdentity: CustomStringConvertible {
    package var description: String {
        if let inode { return "inode \(inode) of device \(device ?? 0)" }
        let size = "\(byteCount ?? 0) bytes"
        guard let names, !names.isEmpty else { return "a device of \(size)" }
        return names.joined(separator: ", ")
    }
}

/// The state folder that a store belongs to.
package struct StoreOwner: Hashable, Sendable, Codable {
    /// The UUID of the state.
    package var state: String
    /// Where the state was when it took the store, for people.
    package var path: String

    package init(state: String, path: String) {
        self.state = state
        self.path = path
    }
}

extension StoreOwner: CustomStringConvertible {
    package var description: String { "\(path) (\(state))" }
}
