package import SnapshotModel
internal import Stream
package import System

/// Reads the file of a VM's state. Nothing that it says of itself is believed before it was compared with what is there.
package struct MachineStateReader: Sendable {
    private let file: any BlockDevice
    /// The file's size, in bytes.
    private let fileBytes: Int
    private let pieceBytes: Int

    /// - Throws: `corrupt`; `newer_version` when a later version has written it.
    package init(_ file: any BlockDevice) throws(Problem) {
        self.file = file
        fileBytes = try doing { () throws(IOFailure) in try file.byteCount() }
        let heading = try Self.read(file, 0..<MachineStateFormat.headingBytes, fileBytes)
        guard Array(heading[..<8]) == MachineStateFormat.magic else {
            throw MachineStateFormat.damaged(file.path, "it does not begin as one does")
        }
        let version: UInt32 = MachineStateFormat.number(heading[8..<12])
        guard version <= MachineStateFormat.version else {
            throw Problem(
                .newerVersion,
                "the VM state \(file.path) has version \(version); this snapmgr reads up to "
                    + "\(MachineStateFormat.version)",
                hint: "use the newer snapmgr that wrote it")
        }
        let size: UInt32 = MachineStateFormat.number(heading[12..<16])
        guard version > 0, size > 0, size <= MachineStateFormat.pieceBytes else {
            throw MachineStateFormat.damaged(file.path, "its pieces have \(size) bytes")
        }
        pieceBytes = Int(size)
    }

    private static func read(
        _ file: any BlockDevice, _ range: Range<Int>, _ fileBytes: Int
    ) throws(Problem) -> [UInt8] {
        guard range.upperBound <= fileBytes else {
            throw MachineStateFormat.damaged(file.path, "it is cut")
        }
        var bytes = [UInt8](repeating: 0, count: range.count)
        var elements = bytes.mutableSpan
        var space = elements.mutableBytes
        do throws(IOFailure) { try file.read(into: &space, at: range.lowerBound) } catch {
            throw Problem(error)
        }
        return bytes
    }

    /// Compares the whole file with its sum, and its sum with the one that is known.
    ///
    /// - Throws: `corrupt`.
    package func verify(_ expected: StoredMachineState) throws(Problem) {
        guard fileBytes == expected.storedBytes else {
            throw MachineStateFormat.damaged(
                file.path, "it has \(fileBytes) bytes, and should have \(expected.storedBytes)")
        }
        let digest = try StreamDigest()
        let end = fileBytes - StreamDigest.byteCount
        var position = 0
        while position < end {
            let next = min(end, position + MachineStateFormat.pieceBytes)
            let piece = try Self.read(file, position..<next, fileBytes)
            try digest.update(piece.span.bytes)
            position = next
        }
        let sum = try digest.value()
        let text = sum.map { $0.padded(to: 2, radix: 16) }.joined()
        let noted = try Self.read(file, max(0, end)..<fileBytes, fileBytes)
        guard text == expected.sha256, noted == sum else {
            throw MachineStateFormat.damaged(file.path, "its SHA-256 is another one")
        }
    }

    /// Writes what QEMU once wrote into a pipe.
    ///
    /// - Throws: `corrupt` when the file's parts do not fit together.
    package func write(to pipe: PipeEnd) throws(Problem) {
        let packer = try StreamPacker()
        var position = MachineStateFormat.headingBytes
        var written: UInt64 = 0
        while true {
            let heading = try Self.read(
                file, position..<position + MachineStateFormat.pieceHeadingBytes, fileBytes)
            position += MachineStateFormat.pieceHeadingBytes
            let stored: UInt32 = MachineStateFormat.number(heading[0..<4])
            let count: UInt32 = MachineStateFormat.number(heading[4..<8])
            if stored == 0, count == 0 { break }
            guard stored > 0, stored <= count, count <= pieceBytes else {
                throw MachineStateFormat.damaged(file.path, "a piece has \(stored) bytes")
            }
            let bytes = try Self.read(file, position..<position + Int(stored), fileBytes)
            let content = stored == count ? bytes : try packer.expand(bytes, to: Int(count))
            try doing { () throws(IOFailure) in try pipe.write(content.span.bytes) }
            position += Int(stored)
            written += UInt64(count)
        }
        let end = try Self.read(file, position..<position + 8, fileBytes)
        guard MachineStateFormat.number(end[0..<8]) == written,
            position + MachineStateFormat.endBytes == fileBytes
        else {
            throw MachineStateFormat.damaged(file.path, "it ends in another way than it should")
        }
    }
}
