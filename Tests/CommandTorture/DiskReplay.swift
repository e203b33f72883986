import System
import TestKit

/// A simulated disk on which a record is played.
struct DiskReplay {
    let disk = SimulatedDisk()

    func apply(_ operation: RecordedOperation) throws {
        let path = operation.path
        switch operation.kind {
        case .create: _ = try disk.createFile(path, byteCount: 0)
        case .write:
            let bytes = Array(operation.data)
            try file(path).write(bytes.span.bytes, at: operation.offset)
        case .resize: try file(path).resize(to: operation.length)
        case .zero:
            try file(path).punch(operation.offset..<operation.offset + operation.length)
        case .sync:
            if isFolder(path) { try disk.syncFolder(path) } else { try file(path).sync() }
        case .rename: try disk.rename(path, to: operation.secondPath)
        case .link: try disk.link(path, to: operation.secondPath)
        case .unlink: try disk.removeFile(path)
        case .makeFolder: try disk.makeFolder(path)
        case .removeFolder: try disk.removeFolder(path)
        }
    }

    private func file(_ path: String) throws -> any BlockDevice {
        try disk.openFile(path, writable: true)
    }

    private func isFolder(_ path: String) -> Bool { (try? disk.list(path)) != nil }
}

extension SimulatedDisk {
    /// Writes all that is on this disk into an empty folder.
    func copy(to folder: FileFolder, _ name: String = "") throws {
        for entry in try list(name) {
            let path = name.isEmpty ? entry : name + "/" + entry
            guard let device = try? openFile(path, writable: false) else {
                try folder.makeFolder(path)
                try copy(to: folder, path)
                continue
            }
            let count = try device.byteCount()
            let copy = try folder.createFile(path, byteCount: count)
            var buffer = AlignedBuffer(count: max(count, 1))
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: 0)
            var start = 0
            // Holes stay holes.
            while let data = try device.firstData(in: start..<count) {
                try copy.write(buffer.bytes.extracting(data), at: data.lowerBound)
                start = data.upperBound
            }
        }
    }
}
