package import SnapshotModel

/// What is wrong, or odd, at one place of the settings.
package struct Diagnostic: Hashable, Sendable {
    package enum Severity: String, Sendable {
        /// The settings cannot be used.
        case error
        /// They can, but hardly mean what they say.
        case warning
    }

    package var severity: Severity
    /// Nil when it is about a whole file, which the message then names.
    package var position: SourcePosition?
    /// One sentence without a full stop.
    package var message: String
    /// What to do about it.
    package var hint: Advice?

    package init(
        _ severity: Severity, at position: SourcePosition?, _ message: String, hint: Advice? = nil
    ) {
        self.severity = severity
        self.position = position
        self.message = message
        self.hint = hint
    }
}

extension Diagnostic: CustomStringConvertible {
    package var description: String { text(.plain) }

    /// `FILE:LINE:COLUMN: message (hint)`, with `warning: ` before a warning's message.
    package func text(_ wording: Wording) -> String {
        let place = position.map { "\($0): " } ?? ""
        let kind = severity == .warning ? "warning: " : ""
        return place + kind + message + (hint.map { " (\(wording.text($0)))" } ?? "")
    }
}

extension Diagnostic: Comparable {
    /// In the order of the files, and what is about whole files first.
    package static func < (left: Diagnostic, right: Diagnostic) -> Bool {
        switch (left.position, right.position) {
        case (nil, _?): true
        case (_?, nil): false
        case (let one?, let other?) where one != other: one < other
        default: left.message < right.message
        }
    }
}

/// Settings that cannot be used: every error of every file, sorted.
package struct SettingsFailure: Error, Hashable, Sendable {
    /// Errors and warnings; at least one error.
    package let diagnostics: [Diagnostic]

    init(sorted diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }

    init(_ message: String, at position: SourcePosition? = nil, hint: Advice? = nil) {
        diagnostics = [Diagnostic(.error, at: position, message, hint: hint)]
    }

    package var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }

    /// The same as other errors are told: one line for each.
    ///
    /// - Parameter wording: of the hints that go into the message.
    package func problem(_ wording: Wording) -> Problem {
        let errors = errors
        guard let only = errors.first, errors.count == 1 else {
            return Problem(
                .usage, errors.map { $0.text(wording) }.joined(separator: "\n"),
                hint: "mend them and run \(.configCheck)")
        }
        var bare = only
        bare.hint = nil
        return Problem(
            .usage, bare.text(wording),
            hint: only.hint ?? "mend it and run \(.configCheck)")
    }
}

extension SettingsFailure: CustomStringConvertible {
    package var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// Gathers what is found while settings are read, so that all of it is told at once.
final class DiagnosticCollector {
    /// So many errors are told. Who has more has one cause, or fed us something else.
    static let limit = 100

    private(set) var diagnostics: [Diagnostic] = []
    private var errorCount = 0

    var hasErrors: Bool { errorCount > 0 }

    /// The hint is made only when it is told: looking for the nearest name takes time.
    func error(
        _ message: String, at position: SourcePosition?, hint: @autoclosure () -> Advice? = nil
    ) {
        errorCount += 1
        guard errorCount <= Self.limit else { return }
        diagnostics.append(Diagnostic(.error, at: position, message, hint: hint()))
    }

    func warn(_ message: String, at position: SourcePosition?, hint: Advice? = nil) {
        diagnostics.append(Diagnostic(.warning, at: position, message, hint: hint))
    }

    func add(_ others: [Diagnostic]) {
        diagnostics += others
        errorCount += others.count { $0.severity == .error }
    }

    /// In the order of the files; the last one tells how many more there are.
    var sorted: [Diagnostic] {
        let all = diagnostics.sorted()
        guard errorCount > Self.limit else { return all }
        return all + [Diagnostic(.error, at: nil, "\(errorCount - Self.limit) more errors")]
    }

    /// Ends the reading when there was any error.
    func throwErrors() throws(SettingsFailure) {
        guard hasErrors else { return }
        throw SettingsFailure(sorted: sorted)
    }
}
