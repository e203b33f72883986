package import SnapshotModel
package import System

/// What a filesystem says of a file, a folder, or anything else that has a name in it.
package struct FileNode: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case file
        case folder
        case link
        case fifo
        case socket
        case characterDevice = "character_device"
        case blockDevice = "block_device"
        /// A damaged inode.
        case unknown

        /// Of the mode's highest bits.
        init(mode: UInt16) {
            self =
                switch mode & 0o170000 {
                case 0o100000: .file
                case 0o040000: .folder
                case 0o120000: .link
                case 0o010000: .fifo
                case 0o140000: .socket
                case 0o020000: .characterDevice
                case 0o060000: .blockDevice
                default: .unknown
                }
        }
    }

    /// Its number, an inode's.
    package var number: UInt32
    /// Tells it from an earlier one of the same number.
    package var generation: UInt32
    /// The kind, and the twelve bits of permissions.
    package var mode: UInt16
    package var user: UInt32
    package var group: UInt32
    package var linkCount: Int
    /// Of a file its length, in bytes; whatever the filesystem says.
    package var byteCount: Int
    package var allocatedBytes: Int
    package var accessed: NodeMetadata.Time
    package var modified: NodeMetadata.Time
    package var changed: NodeMetadata.Time
    /// Nil where the filesystem does not keep it.
    package var born: NodeMetadata.Time?
    /// Of a device's node.
    package var device: DeviceNumbers
    package var isEncrypted: Bool
    /// Whether its content lies in its inode.
    package var isInline: Bool

    package struct DeviceNumbers: Hashable, Sendable {
        package var major: UInt32
        package var minor: UInt32
    }

    package var kind: Kind { Kind(mode: mode) }
    package var permissions: UInt16 { mode & 0o7777 }
    package var isFolder: Bool { kind == .folder }

    /// As `ls -l` shows it: `-rw-r--r--`.
    package var modeText: String {
        let letters: [Kind: Character] = [
            .file: "-", .folder: "d", .link: "l", .fifo: "p", .socket: "s", .characterDevice: "c",
            .blockDevice: "b",
        ]
        var text = Array("rwxrwxrwx").enumerated().map { index, letter in
            permissions & (0o400 >> index) != 0 ? letter : "-"
        }
        let marks: [(bit: UInt16, place: Int, on: Character, off: Character)] = [
            (0o4000, 2, "s", "S"), (0o2000, 5, "s", "S"), (0o1000, 8, "t", "T"),
        ]
        for mark in marks where permissions & mark.bit != 0 {
            text[mark.place] = text[mark.place] == "x" ? mark.on : mark.off
        }
        return String([letters[kind] ?? "?"] + text)
    }
}

extension NodeMetadata.Time {
    /// The nearest moment that can be told.
    package var timestamp: Timestamp {
        Timestamp(clampingSeconds: seconds, nanoseconds: Int64(nanoseconds))
    }
}

/// A name in a folder, and what has it.
package struct FolderEntry: Hashable, Sendable {
    package var name: FileName
    /// The inode's number.
    package var number: UInt32
    /// Whether the folder itself says that it is a folder; nil where it says nothing.
    package var isFolder: Bool?
}

/// A stretch of a file that has content, and where its filesystem has that, in bytes: on the volume, or, where that
/// cannot be told, in the file.
package struct FileStretch: Hashable, Sendable {
    package var fileOffset: Int
    package var offset: Int
    package var count: Int
}
