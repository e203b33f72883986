internal import CRBD
internal import Glibc
internal import System
internal import SnapshotModel

extension Image {
    /// How many pieces are copied at the same time.
    private static let copyWidth = 8

    /// Has pieces of this image read as they do in another one, or one of its own snapshots. Holes become
    /// holes.
    func copy(_ pieces: [CopyPiece], from source: Image) throws(Problem) {
        guard !pieces.isEmpty else { return }
        let (from, width) = (source.rawHandle, Self.copyWidth)
        try call("copy to it") { image in
            let to = Handle(raw: image)
            let failure = Monitored<Int64>(0)
            ThreadTeam.run(count: pieces.count, width: width, name: "rbd-copy") { index in
                guard failure.withLock({ $0 == 0 }) else { return }
                let code = Self.copy(pieces[index], from: from, to: to)
                if code < 0 { failure.withLock { $0 = $0 == 0 ? code : $0 } }
            }
            return failure.withLock { $0 }
        }
    }

    private static func copy(_ piece: CopyPiece, from: Handle, to: Handle) -> Int64 {
        let (offset, count) = (UInt64(piece.range.lowerBound), piece.range.count)
        guard !piece.isHole else { return min(0, snapmgr_rbd_zero(to.raw, offset, count)) }
        let buffer = Buffer(count)
        let read = snapmgr_rbd_read(from.raw, offset, count, buffer.base)
        guard read == count else { return read < 0 ? read : Int64(-EIO) }
        let written = snapmgr_rbd_write(to.raw, offset, count, buffer.base)
        return written == count ? 0 : written < 0 ? written : Int64(-EIO)
    }
}
