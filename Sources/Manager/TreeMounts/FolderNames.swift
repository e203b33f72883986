internal import Scheduler
internal import SnapshotModel

/// How the folders of snapshots are named in a mount of all.
package enum FolderNames: String, Hashable, Sendable, Codable, CaseIterable {
    /// `2026-11-28T12:45:00 before-upgrade`, by the machine's zone.
    case local
    /// The same in UTC: `2026-11-28T11:45:00Z before-upgrade`.
    case utc
    /// `@GMT-2026.11.28-11.45.00`, which Samba's shadow_copy2 knows by itself.
    case gmt
}

/// Gives each snapshot of a volume a name that no other one has, and that stays while it is there. Pure.
struct FolderNamer {
    private let names: FolderNames
    private let zone: TimeZoneRules
    /// By snapshot: what it should be called, and what it is called.
    private var given: [SnapshotID: (wish: String, name: String)] = [:]

    /// A snapshot, as far as its name tells of it.
    struct Subject {
        var id: SnapshotID
        var takenAt: Timestamp
        var name: String?
    }

    init(_ names: FolderNames, zone: LocalZone) {
        self.names = names
        self.zone = names == .local ? zone.rules : .utc
    }

    /// - Parameter subjects: all that are there, the oldest first.
    /// - Returns: their names.
    mutating func update(_ subjects: [Subject]) -> [SnapshotID: String] {
        let wishes = subjects.map { (subject: $0, wish: wish(for: $0)) }
        // Who has a name keeps it, unless it should be called otherwise by now.
        let kept = wishes.compactMap { subject, wish in
            given[subject.id].flatMap { $0.wish == wish ? (subject.id, $0) : nil }
        }
        given = Dictionary(kept) { first, _ in first }
        var taken = Set(given.values.map(\.name))
        for (subject, wish) in wishes where given[subject.id] == nil {
            let name = free(wish, subject, taken)
            taken.insert(name)
            given[subject.id] = (wish, name)
        }
        return given.mapValues(\.name)
    }

    private func wish(for subject: Subject) -> String {
        guard names != .gmt else { return gmt(subject.takenAt) }
        let clock = zone.wallClock(at: subject.takenAt)
        let time =
            "\(clock.date)T\(clock.hour.padded(to: 2)):\(clock.minute.padded(to: 2))"
            + ":\(clock.second.padded(to: 2))" + (names == .utc ? "Z" : "")
        return subject.name.map { "\(time) \($0)" } ?? time
    }

    private func gmt(_ moment: Timestamp) -> String {
        let clock = TimeZoneRules.utc.wallClock(at: moment)
        let date = "\(clock.date)".split(separator: "-").joined(separator: ".")
        return "@GMT-\(date)-\(clock.hour.padded(to: 2)).\(clock.minute.padded(to: 2))"
            + ".\(clock.second.padded(to: 2))"
    }

    /// Two of one second: Samba's names hold nothing but a time, and the later one gets the next second that is
    /// free; others get their id.
    private func free(_ wish: String, _ subject: Subject, _ taken: Set<String>) -> String {
        guard taken.contains(wish) else { return wish }
        guard names == .gmt else { return "\(wish) #\(subject.id)" }
        // One of the next so many is free, unless time itself ends before.
        var moment = subject.takenAt
        for _ in 0...taken.count {
            moment = moment.advanced(bySeconds: 1)
            let name = gmt(moment)
            if !taken.contains(name) { return name }
        }
        return "\(wish)-\(subject.id)"
    }
}
