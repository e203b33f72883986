import SnapshotModel
import StoreFormat
import TestKit
import Testing

@testable import MergeKit

@Suite("The volumes of sets in memory")
struct SetVolumesTests {
    @Test("the snapshots of equal sets share one list of volumes, as taken and as read")
    func shared() throws {
        let volume = try EngineFixture(chunks: 8)
        for number in 1...6 {
            // Two schedules take turns. Each request has a list of its own, as it comes from a client.
            let volumes = (0..<200).map { "\(number % 2)-\($0)-7f7c1f5e-volume-of-a-set" }
            var request = EngineFixture.request(Int64(number))
            request.description.setVolumes = volumes
            _ = try volume.engine.takeSnapshot(request)
        }
        #expect(lists(volume.engine.chain.snapshots.map(\.manifest)).count == 2)
        let reopened = try volume.reopened()
        #expect(lists(reopened.engine.chain.snapshots.map(\.manifest)).count == 2)
        #expect(lists(try Store(folder: volume.disk).manifests()).count == 2)
    }

    /// Where the lists are in memory.
    private func lists(_ manifests: [SnapshotManifest]) -> Set<UInt> {
        Set(
            manifests.compactMap { manifest in
                manifest.setVolumes?.withUnsafeBufferPointer {
                    UInt(bitPattern: $0.baseAddress)
                }
            })
    }
}
