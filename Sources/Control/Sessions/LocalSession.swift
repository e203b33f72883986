internal import MergeKit
package import SnapshotModel

/// A session with a volume that this process has open.
package final class LocalSession: VolumeSession {
    private let handler: ControlHandler
    private let host: VolumeHost
    private let ownsHost: Bool

    /// - Parameter ownsHost: whether the volume is closed with the session.
    package init(host: VolumeHost, ownsHost: Bool) {
        self.host = host
        self.ownsHost = ownsHost
        handler = ControlHandler(host: host)
    }

    package var isServed: Bool { false }

    package var warnings: [String] { host.engine.warnings }

    package func perform(
        _ request: ControlRequest, onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> ControlReply {
        try withoutActuallyEscaping(onProgress) { onProgress throws(Problem) in
            try handler.perform(request, for: LocalClient(onProgress: onProgress))
        }
    }

    package func close() {
        handler.close()
        // What could not be flushed is found by the next open, which recovers.
        if ownsHost { try? host.close() }
    }
}

/// The caller in this process, who does not go away.
package struct LocalClient: RequestClient {
    private let onProgress: (TransferProgress) -> Void

    package init(onProgress: @escaping (TransferProgress) -> Void) {
        self.onProgress = onProgress
    }

    package var isGone: Bool { false }

    package func report(_ progress: TransferProgress) { onProgress(progress) }
}
