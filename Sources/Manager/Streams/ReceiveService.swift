internal import Catalog
internal import SnapshotModel
package import Stream
internal import System
internal import VolumeAccess

/// What `receive` is told.
package struct ReceiveRequest: Hashable, Sendable {
    package var volume: String
    /// Where the image of a new volume is made; nil for one that is there.
    package var originPath: String?
    /// Whether a volume without snapshots loses what it holds.
    package var overwrites: Bool

    package init(_ volume: String, originPath: String? = nil, overwrites: Bool = false) {
        self.volume = volume
        self.originPath = originPath
        self.overwrites = overwrites
    }
}

/// Writes a stream into a volume. Each of its snapshots is there when the stream has had it whole, and nothing
/// that was there before changes.
package struct ReceiveService {
    let context: ManagerContext

    /// - Throws: `refused` when the volume is not what the stream builds on, `corrupt` when the stream is damaged
    ///   or cut: what it had whole before is there then.
    package func receive(
        _ request: ReceiveRequest, from source: any StreamSource
    ) throws -> ReceiveReport {
        try receive(request, from: source, for: nil)
    }

    /// - Parameter visit: the mirror that sends; nil for a stream that somebody receives by hand.
    func receive(
        _ request: ReceiveRequest, from source: any StreamSource, for visit: MirrorVisit?
    ) throws -> ReceiveReport {
        try VolumeService.requireValid(request.volume)
        try requirePlace(request)
        let reader = try StreamReader(from: source)
        guard case .snapshot(let first) = try reader.next() else {
            throw Problem(
                .corrupt, "the stream has no snapshot", hint: "send one: \(.help(["send"]))")
        }
        return try context.asJob(.receive, of: [request.volume]) { context in
            try ReceiveService(context: context).receive(request, reader, first, visit)
        }
    }

    /// Asked before anything is read: a sender that is refused shall not wait.
    private func requirePlace(_ request: ReceiveRequest) throws {
        guard let volume = try context.catalog.volume(named: request.volume) else {
            guard request.originPath == nil else { return }
            if let problem = try context.cloneProblem(request.volume, "a volume") { throw problem }
            throw Problem(
                .notFound, "there is no volume \(request.volume)",
                hint: "name the image to make for it: --origin PATH")
        }
        guard let path = request.originPath else { return }
        guard try Paths.absolute(path) == volume.record.originPath else {
            throw Problem(
                .usage,
                "volume \(request.volume) is there already, and has the origin "
                    + volume.record.originPath,
                hint: "leave out --origin, or name another volume")
        }
    }

    private func receive(
        _ request: ReceiveRequest, _ reader: StreamReader, _ first: StreamSnapshot,
        _ visit: MirrorVisit?
    ) throws -> ReceiveReport {
        try visit?.requireSource(reader.volume.uuid)
        let isNew = try context.catalog.volume(named: request.volume) == nil
        if isNew { try create(request, reader.volume, first) }
        return try Reconciler(context).withVolume(request.volume) { volume in
            try context.prepareStore(volume)
            if let visit {
                try visit.begin(volume)
            } else {
                try VolumeStandings(context).requireNoPromotion(volume)
            }
            let receiver = try context.driver(of: volume).receiver(of: volume.place)
            defer { receiver.close() }
            for warning in receiver.warnings {
                context.advise("volume \(volume.record.name): \(warning)")
            }
            var run = ReceiveRun(context, volume, reader, receiver, request, visit)
            let start = context.clock.monotonicNanoseconds()
            let snapshots = try run.run(first)
            try visit?.end(volume)
            if let visit { seal(receiver, since: start, visit) }
            return ReceiveReport(
                volume: request.volume, isNewVolume: isNew, sourceVolume: reader.volume.uuid,
                snapshots: snapshots, streamBytes: reader.byteCount)
        }
    }

    /// A mirror's target may never be served: what has frozen is sealed here, for as long as the stream took, but for 5
    /// seconds at least and a minute at most: the source waits for it. What is missing then is sealed another time.
    private func seal(_ receiver: any VolumeReceiver, since start: Int64, _ visit: MirrorVisit) {
        let taken = (context.clock.monotonicNanoseconds() - start) / 1_000_000
        let limits = Self.sealMilliseconds
        let deadline = Deadline(
            milliseconds: Int(min(max(taken, limits.lowerBound), limits.upperBound)))
        while !deadline.hasPassed, !context.end.isDue, !visit.look() {
            guard (try? receiver.sealStep()) == true else { return }
        }
    }

    private static let sealMilliseconds: ClosedRange<Int64> = 5000...60_000

    /// What stays of it when the stream breaks is taken up by the next one.
    private func create(
        _ request: ReceiveRequest, _ source: StreamVolume, _ first: StreamSnapshot
    ) throws {
        guard first.base == nil else {
            throw Problem(
                .refused,
                "the stream holds what changed since snapshot \(first.base?.uuid ?? "") of "
                    + "volume \(source.name), and volume \(request.volume) is not there",
                hint: "receive a whole snapshot first: send it without --from")
        }
        guard let origin = request.originPath else { return }
        try VolumeService(context: context).create(
            CreateRequest(
                name: request.volume, originPath: origin, createBytes: first.volumeBytes,
                chunkBytes: source.chunkBytes), replacing: nil)
    }
}
