package import SnapshotModel
internal import StoreFormat
package import System

extension GrowingArea {
    /// Returns when the old content of all the chunks is durable in the area, so that the origin
    /// may be overwritten there. All of them share one commit.
    ///
    /// - Parameter isPromised: see ``promise(_:)``.
    /// - Returns: the bytes that were preserved by this call.
    @discardableResult
    package func preserve(
        _ chunks: [Range<ChunkIndex>], of origin: any BlockDevice, geometry: Geometry,
        isPromised: Bool = false
    ) throws(IOFailure) -> Int {
        try take(chunks, isPromised: isPromised) { entries, isRecycled throws(IOFailure) in
            let plan = entries.map { entry in
                let source = geometry.bytes(of: entry.origin..<entry.origin.advanced(by: 1))
                return CopyRun(
                    source: origin, destination: device,
                    range: CopyRange(
                        sourceOffset: source.lowerBound,
                        destinationOffset: format.offset(of: entry.area),
                        byteCount: source.count),
                    isDestinationZero: !isRecycled)
            }
            _ = try kernel.copy(plan)
        }.count * format.chunkBytes
    }
}
