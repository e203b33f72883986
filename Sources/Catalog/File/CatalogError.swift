package import SnapshotModel

/// What went wrong in the catalog, on which object, and what to do about it.
package struct CatalogError: Error, CustomStringConvertible {
    /// The kinds of failure; their words appear in `--json` errors and only grow.
    package enum Code: String, Sendable, CaseIterable {
        /// The file or a value in it is damaged.
        case corrupt
        /// Another process held the catalog for longer than the busy timeout.
        case locked
        /// A newer snapmgr has changed the tables.
        case newerSchema = "newer_schema"
        /// The file cannot be opened, read or written, or is not a catalog.
        case unreadable
        /// The named object is not in the catalog.
        case notFound = "not_found"
        /// The object is in the catalog already.
        case duplicate
        /// The request contradicts what the catalog holds.
        case constraint
        /// A hold keeps the snapshot.
        case held
        /// The filesystem that the catalog lies on is full.
        case full
    }

    package var code: Code
    /// The object and the cause, as a sentence for people.
    package var message: String
    /// The next command to run.
    package var hint: Advice
    /// The error underneath, when there is one.
    package var cause: (any Error)?

    package init(_ code: Code, _ message: String, hint: Advice, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.cause = cause
    }

    package var description: String { "\(message); \(hint)" }
}

extension CatalogError {
    static let rebuildHint: Advice = "run \(.catalogRebuild)"

    static func corrupt(_ message: String) -> CatalogError {
        CatalogError(.corrupt, message, hint: rebuildHint)
    }

    static func noVolume(_ name: String) -> CatalogError {
        CatalogError(
            .notFound, "volume \(name) is not in the catalog",
            hint: "run \(.volumeList) to see what is")
    }

    static func noSnapshot(_ subject: String) -> CatalogError {
        CatalogError(
            .notFound, "\(subject) is not in the catalog", hint: "run \(.list()) to see what is"
        )
    }
}
