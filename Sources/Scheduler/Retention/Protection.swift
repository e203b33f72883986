import SnapshotModel

/// What keeps a snapshot whatever the rules say.
enum Protection: Hashable, Sendable {
    /// The newest of its volume: its area still grows.
    case newest
    case use(RetentionSubject.Use)
    case hold(RetentionHold)
    /// Taken by hand, and the policy leaves those alone.
    case manual
    /// No policy, or one without an effective rule.
    case noPolicy

    /// - Parameter mountPoints: where the snapshot is mounted.
    func reason(firstSlot: Expiry, mountPoints: [String]) -> KeepReason {
        switch self {
        case .use(.mounted):
            let places = mountPoints.isEmpty ? "" : " on " + mountPoints.joined(separator: ", ")
            return KeepReason(
                source: RetentionSubject.Use.mounted.name, detail: "it is mounted\(places)",
                expiry: .event, hint: mountPoints.first.map { "run \(.umount($0))" })
        case .newest:
            return KeepReason(source: "newest", detail: "", expiry: firstSlot)
        case .use(let use):
            return KeepReason(source: use.name, detail: use.text, expiry: .event)
        case .hold(let hold):
            let until = hold.until.map { " until \($0)" } ?? ""
            return KeepReason(
                source: "hold", detail: "\(hold.owner): \(hold.reason)\(until)",
                expiry: hold.until.map(Expiry.at) ?? .never)
        case .manual:
            return KeepReason(
                source: "manual", detail: "until it is deleted by hand", expiry: .never)
        case .noPolicy:
            return KeepReason(source: "no policy", detail: "everything is kept", expiry: .never)
        }
    }
}

extension RetentionSubject.Use {
    fileprivate var name: String {
        switch self {
        case .mirrorBase: "mirror base"
        case .merging: "merging"
        case .undoesRunningRevert: "safety"
        case .cloned: "clone"
        case .mounted: "mount"
        case .sent: "send"
        case .read: "read"
        }
    }

    fileprivate var text: String {
        switch self {
        case .mirrorBase: "the next transfer starts from it"
        case .merging: "a merge copies it to the origin"
        case .undoesRunningRevert: "it undoes a revert that still runs"
        case .cloned: "a clone reads from it"
        case .mounted: "it is mounted"
        case .sent: "it is being sent, or what is sent builds on it"
        case .read: "somebody has it open for reading"
        }
    }
}
