import FileSystems
import Foundation
import SnapshotModel
import System
import TestKit

@testable import TreeMount

/// Filesystems in files, which stand for a volume's snapshots.
final class TreeShelf: SnapshotShelf {
    private let folder = TemporaryFolder()
    /// What is there now, by id.
    var shown: [Int64: String] = [:]
    private(set) var openCount = 0
    private(set) var restCount = 0

    /// - Parameter script: makes files in the folder that it runs in.
    func add(
        _ id: Int64, _ script: String, options: String = "-t ext4", megabytes: Int = 16
    ) throws {
        let source = "\(folder.path)/source\(id)"
        try run(
            """
            set -euo pipefail
            mkdir '\(source)'
            cd '\(source)'
            \(script)
            truncate -s \(megabytes)M '\(imagePath(id))'
            mke2fs -q -F \(options) -d '\(source)' '\(imagePath(id))'
            """)
        shown[id] = "snapshot \(id)"
    }

    func imagePath(_ id: Int64) -> String { "\(folder.path)/image\(id)" }

    func run(_ script: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", script]
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Problem(.failed, "the script ended with \(process.terminationStatus): \(script)")
        }
    }

    func folders() throws(Problem) -> [SnapshotFolder] {
        shown.sorted { $0.key < $1.key }.map { id, name in
            SnapshotFolder(
                id: SnapshotID(rawValue: id), name: name,
                takenAt: .init(seconds: 1_000_000 + id, nanoseconds: 0))
        }
    }

    func open(_ id: SnapshotID) throws(Problem) -> any SnapshotFileSystem {
        openCount += 1
        guard shown[id.rawValue] != nil else { throw Problem(.notFound, "it has gone") }
        let bytes: TreeImageBytes
        do throws(IOFailure) { bytes = try TreeImageBytes(imagePath(id.rawValue)) } catch {
            throw Problem(error)
        }
        return try Ext4FileSystem.open(WindowedBytes(bytes, windowsMaximum: 16))
    }

    func rest() { restCount += 1 }
}

/// A file's bytes.
private final class TreeImageBytes: VolumeBytes {
    private let device: FileDevice
    let byteCount: Int

    init(_ path: String) throws(IOFailure) {
        device = try FileDevice(path: path, access: .readOnly)
        byteCount = try device.byteCount()
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        do throws(IOFailure) { try device.read(into: &buffer, at: offset) } catch {
            throw Problem(error)
        }
    }
}
