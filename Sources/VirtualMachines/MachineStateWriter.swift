package import SnapshotModel
internal import Stream
package import System

/// Writes the file of a VM's state while QEMU writes into a pipe. What it has written counts only when
/// ``finish()`` has returned.
package final class MachineStateWriter {
    private let file: any BlockDevice
    private let limitBytes: Int
    private let packer: StreamPacker
    private let digest: StreamDigest
    private var position = 0
    private var byteCount = 0
    /// What came since the last whole piece.
    private var rest: [UInt8] = []

    /// - Parameters:
    ///   - file: new and empty.
    ///   - limitBytes: how long it may become: snapshots need the store's space more.
    package init(_ file: any BlockDevice, limitBytes: Int) throws(Problem) {
        self.file = file
        self.limitBytes = limitBytes
        packer = try StreamPacker()
        digest = try StreamDigest()
        try put(
            MachineStateFormat.magic + MachineStateFormat.bytes(of: MachineStateFormat.version)
                + MachineStateFormat.bytes(of: UInt32(MachineStateFormat.pieceBytes)))
    }

    /// Adds what comes out of a pipe until its end.
    package func add(from pipe: PipeEnd) throws(Problem) {
        var buffer = [UInt8](repeating: 0, count: MachineStateFormat.pieceBytes)
        while true {
            var elements = buffer.mutableSpan
            var space = elements.mutableBytes
            let count: Int
            do throws(IOFailure) { count = try pipe.read(into: &space) } catch {
                throw Problem(error)
            }
            guard count > 0 else { return }
            rest += buffer[..<count]
            while rest.count >= MachineStateFormat.pieceBytes {
                try put(piece: Array(rest.prefix(MachineStateFormat.pieceBytes)))
                rest.removeFirst(MachineStateFormat.pieceBytes)
            }
        }
    }

    /// Ends the file, and makes its content durable.
    package func finish() throws(Problem) -> StoredMachineState {
        if !rest.isEmpty { try put(piece: rest) }
        try put(
            MachineStateFormat.bytes(of: UInt64(0))
                + MachineStateFormat.bytes(of: UInt64(byteCount)))
        let sum = try digest.value()
        try doing { () throws(IOFailure) in
            try file.write(sum.span.bytes, at: position)
            try file.sync()
        }
        return StoredMachineState(
            byteCount: byteCount, storedBytes: position + sum.count,
            sha256: sum.map { $0.padded(to: 2, radix: 16) }.joined())
    }

    private func put(piece: [UInt8]) throws(Problem) {
        let packed = packer.compress(
            piece.span.bytes, level: MachineStateFormat.compressionLevel)
        let stored = packed ?? piece
        try put(
            MachineStateFormat.bytes(of: UInt32(stored.count))
                + MachineStateFormat.bytes(of: UInt32(piece.count)))
        try put(stored)
        byteCount += piece.count
    }

    private func put(_ bytes: [UInt8]) throws(Problem) {
        guard position + bytes.count <= limitBytes else {
            throw Problem(
                .noSpace,
                "the memory of the VM takes more than \(ByteCount(limitBytes)), half of what is free in "
                    + "the store", hint: "free space there, or delete snapshots with \(.delete)")
        }
        try digest.update(bytes.span.bytes)
        try doing { () throws(IOFailure) in try file.write(bytes.span.bytes, at: position) }
        position += bytes.count
    }
}
