import SnapshotModel
import StoreFormat
import TestKit
import Testing

@Suite("What a volume's state is, as a function of what was read")
struct VolumeStateTests {
    private static func manifest(_ ordinal: Int, isDeleted: Bool = false) -> SnapshotManifest {
        SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: ordinal), id: SnapshotID(rawValue: Int64(ordinal)),
            volumeBytes: 1 << 20, takenAt: Timestamp(stored: VirtualClock.start),
            description: SnapshotDescription(kind: .manual), isDeleted: isDeleted)
    }

    /// A volume with the snapshots of some ordinals; the negative ones are deleted.
    private func state(
        _ ordinals: [Int], lost: Int? = nil, doubtful: [Int] = [], withoutArea: [Int] = [],
        unread: [Int] = [], revert: RunningRevert? = nil
    ) -> VolumeState {
        var losses = ChainLosses()
        losses.lost = lost.map(SnapshotOrdinal.init(rawValue:))
        losses.doubtful = doubtful.map(SnapshotOrdinal.init(rawValue:))
        losses.withoutArea = withoutArea.map(SnapshotOrdinal.init(rawValue:))
        losses.unread = unread.map(SnapshotOrdinal.init(rawValue:))
        let record = VolumeRecord(
            name: "vol", uuid: "u", driver: "image", originPath: "/simulated/origin.raw",
            geometry: Geometry(volumeBytes: 1 << 20, chunkBytes: 4096),
            storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: VirtualClock.start))
        return VolumeState(
            record, manifests: ordinals.map { Self.manifest(abs($0), isDeleted: $0 < 0) },
            losses: losses, revert: revert)
    }

    /// A revert of a plan of 10 chunks, from snapshot 1, whose safety snapshot is 3.
    private func revert(
        merged: Int? = 0, limits: MergeLimits = MergeLimits(), planned: Int = 10,
        mark: (inout RunningRevert.Marks) -> Void = { _ in }
    ) -> RunningRevert {
        var marks = RunningRevert.Marks()
        mark(&marks)
        return RunningRevert(
            RevertRecord(
                id: RevertID(rawValue: 1), target: SnapshotOrdinal(rawValue: 1),
                targetID: SnapshotID(rawValue: 1), safety: SnapshotOrdinal(rawValue: 3),
                safetyID: SnapshotID(rawValue: 3), tookSafetySnapshot: true, safetyEntryCount: 0,
                planChunkCount: planned, startedAt: Timestamp(stored: VirtualClock.start)),
            marks: marks, limits: limits, mergedChunks: merged)
    }

    private func ids(_ manifests: [SnapshotManifest]) -> [Int64] { manifests.map(\.id.rawValue) }

    @Test("a snapshot that lost exceptions is broken with all older ones")
    func lost() {
        let state = state([1, 2, 3], lost: 2)
        #expect(state.brokenThrough?.rawValue == 2 && state.lostThrough?.rawValue == 2)
        #expect(state.unreachableThrough == nil)
        #expect(ids(state.readable) == [3])
        #expect(state.manifests.map(state.condition) == [.broken, .broken, .active])
    }

    @Test("what needs an area that is not to be found is broken, and not lost for ever")
    func unreachable() {
        for state in [state([1, 3, 4], doubtful: [2]), state([1, 3, 4], withoutArea: [2])] {
            #expect(state.brokenThrough?.rawValue == 1 && state.unreachableThrough?.rawValue == 1)
            #expect(state.lostThrough == nil)
            #expect(ids(state.readable) == [3, 4])
        }
        #expect(state([1, 3, 4], lost: 3, doubtful: [2]).brokenThrough?.rawValue == 3)
    }

    @Test("what is not to be found and nobody needs breaks nothing")
    func needless() {
        #expect(state([-1, 3], doubtful: [2]).brokenThrough == nil)
        let state = state([-1, 3], withoutArea: [2])
        #expect(state.brokenThrough == nil && state.losses.withoutArea.isEmpty)
        #expect(state.unfinished.map(\.rawValue) == [2])
    }

    @Test("a loss concerns the snapshots that are there, whatever was collected since")
    func collected() {
        #expect(state([1, 3], lost: 2).lostThrough?.rawValue == 1)
        #expect(state([3], lost: 2).lostThrough == nil)
    }

    @Test("a header that cannot be read breaks nothing, and is named unless it matters no more")
    func unread() {
        #expect(state([1, 2, 3], unread: [2]).brokenThrough == nil)
        #expect(state([1, 2, 3], unread: [2]).losses.unread.map(\.rawValue) == [2])
        #expect(state([1, 2, 3], lost: 2, unread: [1, 4]).losses.unread.isEmpty)
    }

    @Test("deleted snapshots are neither readable nor found by their ids")
    func deleted() {
        let state = state([1, -2, 3])
        #expect(ids(state.readable) == [1, 3])
        #expect(state.live(SnapshotID(rawValue: 2)) == nil)
        #expect(state.manifests.map(state.condition) == [.frozen, .deleting, .active])
    }

    @Test("the newest area takes exceptions as long as a live snapshot is whole to need them")
    func active() {
        #expect(state([1, -2]).active?.ordinal.rawValue == 2)
        #expect(state([-1, -2]).active == nil)
        #expect(state([1, 2], lost: 2).active == nil)
        #expect(state([]).active == nil)
    }

    @Test("the safety snapshot's area grows beside the newest one's until all is merged")
    func second() {
        let running = state([1, 2, 3, 4], revert: revert())
        #expect(running.second?.ordinal.rawValue == 3)
        #expect(running.growing(from: SnapshotOrdinal(rawValue: 2))?.ordinal.rawValue == 3)
        #expect(running.growing(from: SnapshotOrdinal(rawValue: 4))?.ordinal.rawValue == 4)
        #expect(state([1, 2, 3], revert: revert()).second == nil)
        #expect(state([1, 2, 3, 4], revert: revert(merged: 10)).second == nil)
        #expect(state([1, 2, 3, 4], lost: 3, revert: revert()).second == nil)
        #expect(running.condition(of: Self.manifest(1)) == .merging)
    }

    @Test("a merge's phase follows from its journal, and under device-mapper from its marks")
    func phases() {
        let paused = MergeLimits(isPaused: true)
        #expect(revert().phase == .committed)
        #expect(revert(merged: 1).phase == .begun)
        #expect(revert(merged: 10).phase == .merged)
        #expect(revert(merged: nil).phase == .begun)
        #expect(revert(merged: 0, planned: 0).phase == .committed)
        #expect(revert(limits: paused).phase == .paused)
        #expect(revert(merged: 10, limits: paused).phase == .merged)
        #expect(revert { $0.isBegun = true }.phase == .begun)
        #expect(revert { $0.isPaused = true }.phase == .committed)
        #expect(revert { ($0.isBegun, $0.isPaused) = (true, true) }.phase == .paused)
        #expect(
            revert { ($0.isBegun, $0.isPaused, $0.isMerged) = (true, true, true) }.phase == .merged)
    }
}
