internal import SnapshotModel
internal import System

/// What a mounted filesystem lies on, of which the kernel tells nothing but that a read has failed.
struct MountSource {
    private let folder: MountFolder
    private let parts: MountParts
    private let report: MountReport

    init(_ context: ManagerContext, _ report: MountReport) {
        folder = MountFolder(context.state)
        parts = MountParts(context)
        self.report = report
    }

    /// Whether it answers: that its programs are there, if it has any, and its device can be read in some places. A
    /// single sector that cannot be read may stay unseen.
    var isReadable: Bool { hasPrograms && (report.devicePath.map(Self.isReadable) ?? true) }

    private var hasPrograms: Bool {
        let records = (try? folder.records()) ?? []
        return records.allSatisfy { $0.folder != report.folder || parts.isInUse($0) }
    }

    private static let placesCount = 16
    private static let sampleBytes = 4096

    /// - Parameter path: of a device.
    static func isReadable(_ path: String) -> Bool {
        do throws(IOFailure) {
            let device = try FileDevice(path: path, access: .readOnly)
            let sampleCount = try device.byteCount() / sampleBytes
            let step = max(1, sampleCount / placesCount)
            var buffer = AlignedBuffer(count: sampleBytes)
            for sample in stride(from: 0, to: sampleCount, by: step) {
                var bytes = buffer.mutableBytes
                try device.read(into: &bytes, at: sample * sampleBytes)
            }
            return true
        } catch { return false }
    }
}
