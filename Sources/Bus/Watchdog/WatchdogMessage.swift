/// What the service tells the process that thaws in its place.
enum WatchdogMessage: Hashable, Codable, Sendable {
    /// A participant as the bus knows it.
    struct Target: Hashable, Codable, Sendable {
        var destination: String
        var path: String
    }

    /// These are at rest from now on, for so many milliseconds at most.
    case owes(Int64, [Target], milliseconds: Int)
    /// They were told to go on.
    case settled(Int64)

    static let bytesMaximum = 1 << 20
}
