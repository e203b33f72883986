internal import Catalog
internal import SnapshotModel
internal import StoreFormat
package import Stream
internal import VolumeAccess

/// What `send` is told.
package struct SendRequest: Hashable, Sendable {
    package var reference: String
    /// The snapshot that the receiver has; nil sends all of the one that is named.
    package var base: String?
    package var compression: StreamCompression

    package init(_ reference: String, base: String? = nil, compression: StreamCompression = .none) {
        self.reference = reference
        self.base = base
        self.compression = compression
    }
}

/// Writes snapshots as a stream: the one that is named, or, from another one on, all that were taken since.
package struct SendService {
    let context: ManagerContext

    /// - Throws: what the sink throws; `refused` when a snapshot was deleted meanwhile.
    package func send(_ request: SendRequest, to sink: any StreamSink) throws -> SendReport {
        try run(request, to: sink)
    }

    /// What would be sent, without a look at data.
    package func preview(_ request: SendRequest) throws -> SendReport {
        try run(request, to: nil)
    }

    private func run(_ request: SendRequest, to sink: (any StreamSink)?) throws -> SendReport {
        let resolver = ReferenceResolver(context)
        let last = try resolver.snapshot(request.reference)
        let base = try request.base.map { try resolver.snapshot($0) }
        return try context.asJob(.send, of: [last.volume]) { context in
            try SendService(context: context).run(request, last, base, to: sink)
        }
    }

    private func run(
        _ request: SendRequest, _ last: SnapshotRow, _ base: SnapshotRow?,
        to sink: (any StreamSink)?
    ) throws -> SendReport {
        try require(base, before: last)
        try Reconciler(context).tidy([last.volume])
        let volume = try context.volume(last.volume)
        try context.requireContent(volume, "sent")
        guard let sink else {
            let plan = try SendPlan(context, volume, from: base, to: last)
            return try context.withSession(volume) { session in
                try SnapshotSender(context, plan, session).run(request.compression, to: nil)
            }
        }
        let (plan, hold) = try held(volume) { volume in
            try SendPlan(context, volume, from: base, to: last)
        }
        defer { withExtendedLifetime(hold) {} }
        let session = try TurnSession(context, volume)
        defer { session.close() }
        session.yield(whileWaitingFor: sink)
        let report = try SnapshotSender(context, plan, session).run(request.compression, to: sink)
        guard !report.isDryRun else { return report }
        try context.log(
            .sent, "snapshot \(last.id) was sent" + (base.map { ", from \($0.id) on" } ?? ""),
            volume: volume.record.name, snapshot: last.id)
        return report
    }

    /// Makes a plan whose snapshots stay until what is returned with it goes: nobody deletes any meanwhile.
    func held(
        _ volume: VolumeRow, _ plan: (VolumeRow) throws -> SendPlan
    ) throws -> (SendPlan, SendingHold) {
        try Reconciler(context).withVolume(volume.record.name) { volume in
            let plan = try plan(volume)
            return (plan, try SendingHolds(context).hold(plan.ids, of: volume.record.name))
        }
    }

    private func require(_ base: SnapshotRow?, before last: SnapshotRow) throws {
        try context.requireWhole(last)
        guard let base else { return }
        guard base.volume == last.volume else {
            throw Problem(
                .usage,
                "snapshot \(base.id) is of volume \(base.volume), snapshot \(last.id) of \(last.volume)",
                hint: "name two snapshots of the same volume: \(.list(last.volume))")
        }
        guard base.ordinal < last.ordinal else {
            throw Problem(
                .usage, "snapshot \(base.id) was not taken before snapshot \(last.id)",
                hint: "name an older one with --from: \(.list(last.volume))")
        }
        try context.requireWhole(base)
    }
}
