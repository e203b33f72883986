import System
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit

/// Threads that write, trim, take, read, revert to, merge, delete and collect at once, on real
/// files; to be run under the thread and address sanitizers too.
struct StressSuite {
    let options: TortureOptions

    private static let chunkSizes = [4096, 16_384]
    /// Of the volume whose first writes are answered from the log.
    private let chunkBytesWithLog = 4096

    func run() -> SuiteResult {
        var result = SuiteResult()
        var summaries: [String] = []
        for chunkBytes in Self.chunkSizes {
            let layout = StressLayout(seed: options.seed ?? 1, chunkBytes: chunkBytes)
            do {
                summaries.append(try stress(layout))
                result.passed += 1
            } catch {
                Console.say("FAILED stress, chunks of \(chunkBytes) B: \(error)")
                result.failed += 1
            }
        }
        result.summary = summaries.joined(separator: "; ")
        return result
    }

    private func stress(_ layout: StressLayout) throws -> String {
        let folder = TemporaryFolder()
        let store = folder.folder
        let origin = try store.createFile("origin.raw", byteCount: layout.volumeBytes)
        try store.makeFolder("store")
        let storeFolder = FileFolder(path: folder.path + "/store")
        let record = VolumeRecord(
            name: "stress", uuid: "00000000-0000-4000-8000-000000000002", driver: "image",
            originPath: folder.path + "/origin.raw",
            geometry: Geometry(volumeBytes: layout.volumeBytes, chunkBytes: layout.chunkBytes),
            storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: VirtualClock.start))
        try Store(folder: storeFolder).create(record)
        let engine = try LiveEngine.open(
            store: storeFolder, origin: origin,
            options: EngineOptions(
                indexShape: HistoryRun.indexShape,
                writeBackBytes: chunkBytesWithLog == layout.chunkBytes ? 256 << 10 : nil))
        let background = BackgroundThread.start(name: "stress-log") {
            engine.runWriteBack(WriteBackRest(idleMilliseconds: 5, longestMilliseconds: 5)) { _ in }
        }
        defer {
            engine.stopWriteBack()
            background.join()
        }
        let seconds = max(1, options.stressSeconds / Self.chunkSizes.count)
        let run = StressRun(layout: layout, engine: engine, seconds: seconds)
        WorkerThreads.run(run.threadCount) { run.work($0) }
        if let failure = run.failure { throw TortureFailure(failure) }
        for id in run.snapshotIDs { try run.checkSnapshot(id) }
        while case .progressed = try engine.mergeStep(byteLimit: 1 << 20) {}
        for id in run.snapshotIDs { try run.checkSnapshot(id) }
        try engine.close()
        return run.summary
    }
}
