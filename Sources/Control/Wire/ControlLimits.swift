/// The bounds of a control session, and why they are what they are.
package enum ControlLimits {
    /// Connections at once; each has a thread, so this bounds what a runaway script can cost.
    package static let connections = 64
    /// A request on the wire: room for 100,000 snapshot ids, and nothing like a disk's content.
    package static let requestBytes = 1 << 20
    /// An answer on the wire: the status of some 500,000 snapshots.
    package static let answerBytes = 1 << 28
    /// How long an answer may wait for its client to read, before the client is given up.
    package static let sendMilliseconds = 10_000
    /// How long a client waits for a server to take its connection.
    package static let greetingMilliseconds = 5_000
    /// Between two signs of life from a server that is at work on a long request.
    package static let beatMilliseconds = 1_000
    /// How long I/O may be held at most: guests give up on a disk after 30 seconds.
    package static let holdMilliseconds = 20_000
    /// How long an opener waits for a holder that is just starting or ending.
    package static let openPatienceMilliseconds = 2_000
    /// Between two reports of progress to one client.
    package static let progressMilliseconds = 200
    /// What one step of a background merge copies at most: long enough to run at the disk's speed.
    /// The engine takes shorter steps while clients are active.
    package static let mergeStepBytes = 128 << 20
}

/// How long a client waits for a server, in milliseconds; tests wait less.
package struct ServerPatience: Sendable {
    /// For the server to take the connection and to greet.
    package var greeting = ControlLimits.greetingMilliseconds
    /// For a sign of life while the server is at work. It gives one each second, also while the
    /// disk is slow: a server that is silent for so long is stopped, or starved.
    package var silence = 15_000
    /// The same of an older server, which gives none.
    package var silenceOfOlder = 600_000
    /// For the answer to a request that only looks or sets something.
    package var look = 60_000
    /// For the answer to any other request, or for it to get on.
    package var change = 1_800_000

    package init() {}
}

/// How long an open volume waits for what, in milliseconds; tests wait less.
package struct Patience: Sendable {
    /// How long a session may keep something prepared without another word.
    package var prepared = 60_000
    /// How long a change waits for another session's to end.
    package var change = 5_000
    /// Before a merge or collection that failed is tried again.
    package var retry = 10_000

    package init() {}
}
