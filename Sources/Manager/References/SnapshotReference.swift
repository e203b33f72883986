package import SnapshotModel

/// How people name snapshots: snapmgr(1), REFERENCES. Parsing looks nothing up.
package enum SnapshotReference: Hashable, Sendable {
    /// `42`
    case id(SnapshotID)
    /// `VOL@...`, or `SET@...` of a set that volumes are taken in under one name.
    case inVolume(String, Selector)
    /// `set:NAME@...`, which means no volume.
    case inSet(String, Selector)
    /// `set:7`
    case set(SetID)
    /// A set's name, of which there is one set.
    case setNamed(String)

    /// What stands behind the `@`.
    package enum Selector: Hashable, Sendable {
        case id(SnapshotID)
        case name(String)
        case latest
        /// The volume as it reads now; only a diff can use it.
        case live
        /// The newest one that is at least so old.
        case olderThan(seconds: Int64)
        /// The newest one taken then or before.
        case notAfter(Timestamp)
    }

    /// - Parameter zone: the zone of times without a final `Z`.
    /// - Throws: `usage` when the text cannot be a reference.
    package init(_ text: String, zone: LocalZone) throws(Problem) {
        if let id = Self.number(text) {
            self = .id(SnapshotID(rawValue: id))
        } else if let id = text.split(separator: ":", maxSplits: 1).last.flatMap(Self.number),
            text.hasPrefix("set:")
        {
            self = .set(SetID(rawValue: id))
        } else if let at = text.firstIndex(of: "@") {
            let name = String(text[..<at])
            let rest = String(text[text.index(after: at)...])
            let selector = Selector(rest, zone: zone)
            let set = name.hasPrefix("set:") ? String(name.dropFirst(4)) : nil
            guard !rest.isEmpty, set.map(SnapshotName.isValid) ?? VolumeRecord.isValidName(name)
            else { throw Self.problem(text) }
            self = set.map { .inSet($0, selector) } ?? .inVolume(name, selector)
        } else if text.hasPrefix("set:") {
            self = .setNamed(String(text.dropFirst(4)))
        } else {
            guard SnapshotName.isValid(text) else { throw Self.problem(text) }
            self = .setNamed(text)
        }
    }

    fileprivate static func number(_ text: some StringProtocol) -> Int64? {
        guard text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int64(text)
    }

    private static func problem(_ text: String) -> Problem {
        Problem(
            .usage, "`\(text)` names no snapshot",
            hint: "write 42, VOL@42, VOL@name, VOL@latest, VOL@2h, VOL@2026-11-22T12:45, set:7 or "
                + "SET@latest")
    }
}

extension SnapshotReference.Selector {
    fileprivate init(_ text: String, zone: LocalZone) {
        if let id = SnapshotReference.number(text) {
            self = .id(SnapshotID(rawValue: id))
        } else if text == "latest" {
            self = .latest
        } else if text == "live" {
            self = .live
        } else if let seconds = TimeText.durationSeconds(text) {
            self = .olderThan(seconds: seconds)
        } else if let time = TimeText.moment(text, in: zone) {
            self = .notAfter(time)
        } else {
            self = .name(text)
        }
    }
}

/// What a snapshot or a set may be called.
package enum SnapshotName {
    /// As a volume's name, but longer; it must fit into an export's name next to the volume's.
    static func isValid(_ name: String) -> Bool { TextBounds.isSnapshotName(name) }

    /// - Throws: `usage` when a reference could not contain the name, or would mean something else.
    static func validate(_ name: String) throws(Problem) {
        guard isValid(name) else {
            throw Problem(
                .usage,
                "`\(name)` cannot be a name: letters, digits, `.`, `_` and `-`, "
                    + "\(TextBounds.nameLength) at most, are allowed")
        }
        guard case .name = SnapshotReference.Selector(name, zone: .utc) else {
            throw Problem(
                .usage, "`\(name)` cannot be a name: VOL@\(name) has another meaning",
                hint: "choose a name that is not a number, time, duration, `latest` or `live`")
        }
    }
}
