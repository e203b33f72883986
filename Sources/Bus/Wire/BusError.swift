internal import SnapshotModel

/// An error as it goes over the bus: a name that programs compare, and a sentence.
struct BusError: Error, Hashable, Sendable {
    var name: String
    var message: String

    static let failed = "org.freedesktop.DBus.Error.Failed"
    static let unknownMethod = "org.freedesktop.DBus.Error.UnknownMethod"
    static let unknownObject = "org.freedesktop.DBus.Error.UnknownObject"
    static let invalidArguments = "org.freedesktop.DBus.Error.InvalidArgs"
    static let accessDenied = "org.freedesktop.DBus.Error.AccessDenied"
    static let limitsExceeded = "org.freedesktop.DBus.Error.LimitsExceeded"
    static let serviceUnknown = "org.freedesktop.DBus.Error.ServiceUnknown"
    static let nameHasNoOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
    private static let silences = [
        "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout",
    ]
    private static let beginning = "org.snapmgr1.Error."

    init(_ name: String, _ message: String) {
        self.name = name
        self.message = message
    }

    /// `not_found` is `org.snapmgr1.Error.NotFound`.
    init(_ problem: Problem) {
        let words = problem.code.rawValue.split(separator: "_").map { $0.capitalized }
        name = Self.beginning + words.joined()
        message = problem.message
    }

    /// Whether it only says that no answer came.
    var isSilence: Bool { Self.silences.contains(name) }

    static func arguments(_ message: String) -> BusError { BusError(invalidArguments, message) }
}

extension Substring {
    /// With its first letter large.
    fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}
