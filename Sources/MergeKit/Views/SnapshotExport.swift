package import System
internal import Glibc
package import SnapshotModel
package import VolumeAccess

/// Writes a snapshot to a new file, which appears under its name when it is complete and durable.
package struct SnapshotExport {
    private let folder: FileFolder
    private let name: String

    /// `.usage` when the path is not absolute: client and server may be in different folders.
    package init(path: String) throws(Problem) {
        let halves = PathHalves(path)
        guard path.hasPrefix("/"), !halves.name.isEmpty else {
            throw Problem(.usage, "a file to export to needs an absolute path, not \(path)")
        }
        folder = FileFolder(path: halves.folder)
        name = halves.name
    }

    /// Returns the file's size in bytes. `.exists` when the name is taken, `.interrupted` when the
    /// client has gone; nothing is left behind then.
    package func write(_ view: SnapshotView, for client: any RequestClient) throws(Problem) -> Int {
        try writeFile(byteCount: view.byteCount, for: client) { file, control, onProgress in
            try SnapshotExporter.export(view, to: file, control: control, onProgress: onProgress)
        }
    }

    /// The same of a clone, which nobody writes to meanwhile.
    package func write(
        _ hold: CloneHold, for client: any RequestClient
    ) throws(Problem) -> Int {
        try writeFile(byteCount: hold.clone.byteCount, for: client) { file, control, onProgress in
            try SnapshotExporter.export(hold, to: file, control: control, onProgress: onProgress)
        }
    }

    /// The same from a device that has the snapshot's content.
    package func write(
        _ source: any BlockDevice, named name: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        let byteCount = try doing { () throws(IOFailure) in try source.byteCount() }
        return try writeFile(byteCount: byteCount, for: client) { file, control, onProgress in
            try SnapshotExporter.export(
                source, named: name, to: file, control: control, onProgress: onProgress)
        }
    }

    private func writeFile(
        byteCount: Int, for client: any RequestClient,
        _ copy: (any BlockDevice, CopyControl, (Int) -> Void) throws -> Void
    ) throws(Problem) -> Int {
        guard try doing({ () throws(IOFailure) in try !folder.exists(name) }) else {
            throw takenProblem
        }
        // Two exports to one name must not write to one file.
        let temporary = "\(name).\(UInt64.random(in: .min ... .max))\(FileFolder.temporarySuffix)"
        do {
            let file = try folder.createFile(temporary, byteCount: 0)
            let control = CopyControl()
            let start = SystemClock().monotonicNanoseconds()
            try copy(file, control) { doneBytes in
                let seconds = Double(SystemClock().monotonicNanoseconds() - start) / 1e9
                client.report(
                    TransferProgress(
                        doneBytes: doneBytes, totalBytes: byteCount,
                        rate: Int(Double(doneBytes) / seconds)))
                if client.isGone { control.cancel() }
            }
            // Nobody would hear of a file that was completed in vain.
            guard !client.isGone else { throw Problem(.interrupted, "the client went away") }
            try folder.renameUnlessTaken(temporary, to: name)
            try folder.syncFolder("")
        } catch {
            try? folder.removeFile(temporary)
            throw problem(error)
        }
        return byteCount
    }

    private var takenProblem: Problem {
        Problem(
            .exists, "the file \(folder.path)/\(name) exists",
            hint: "choose another name, or remove it first")
    }

    private func problem(_ error: any Error) -> Problem {
        switch error {
        case let problem as Problem: problem
        case let failure as IOFailure where failure.code == EEXIST: takenProblem
        case let failure as IOFailure: Problem(failure)
        default: Problem(.failed, "the export failed: \(error)")
        }
    }
}
