package import Logging
internal import SnapshotModel

/// Makes a line of each message, and hands it to what writes it. Of what a terminal obeys, nothing gets
/// into a line, wherever a name in it comes from.
///
/// Metadata stands behind the message as `name=value`. Only what may be read by everybody who reads the
/// log may be given: no keys, no content of volumes.
package struct ServiceLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    package var logLevel: Logger.Level
    private let write: @Sendable (Logger.Level, String) -> Void

    package init(
        logLevel: Logger.Level = .notice, write: @escaping @Sendable (Logger.Level, String) -> Void
    ) {
        self.logLevel = logLevel
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let all = (metadataProvider?.get() ?? [:])
            .merging(metadata) { $1 }.merging(event.metadata ?? [:]) { $1 }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        write(event.level, "\(event.message)\(pairs)".escapedForPeople)
    }
}

extension Logger {
    /// - Parameter handler: the only one that this logger writes to.
    package init(_ label: String, _ handler: ServiceLogHandler) {
        self.init(label: label, factory: { _ in handler })
    }
}
