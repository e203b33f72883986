package import System

/// What belongs to one request to a manager, and to none of the others that it performs meanwhile.
///
/// A deadline is whoever requests the cancellation when it passes.
package struct Operation: Sendable {
    package var clock: any Clock
    package var cancellation: Cancellation
    /// The settings as they are when the request first needs them.
    package var settings: SettingsSource
    /// Receives sentences that people should see although nothing failed: what was reconciled.
    package var onNote: @Sendable (String) -> Void

    package init(
        clock: any Clock = SystemClock(), cancellation: Cancellation = Cancellation(),
        settings: SettingsSource = .none, onNote: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.clock = clock
        self.cancellation = cancellation
        self.settings = settings
        self.onNote = onNote
    }
}
