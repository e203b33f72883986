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
    package static let farewellMilliseconds = 2_000
    /// Between two signs of life from a server that is at work on a long request.
    package static let beatMilliseconds = 1_000
    /// Between two reports of progress to one client.
    package static let progressMilliseconds = 200
}

/// How long a client waits for a server, in milliseconds; tests wait less.
package struct ServerPatience: Sendable {
    /// For the server to take the connection and to greet.
    package var greeting = ControlLimits.greetingMilliseconds
    /// For the end of a connection that was said to be over.
    package var farewell = ControlLimits.farewellMilliseconds
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

/// How long a server that stops waits for its clients, in milliseconds; tests wait longer.
package struct StopPatience: Sendable {
    /// For those who ask, or may do so at once.
    package var busy = 1_000
    /// Who has been silent for so long is not expected to ask at once.
    package var silent = 1_000

    package init() {}
}
