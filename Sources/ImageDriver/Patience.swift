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
