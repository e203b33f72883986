internal import System

/// The threads that copy one large plan, each taking the next segment when it has done one.
final class CopyCrew: Sendable {
    private let kernel: CopyKernel
    private let segments: [CopySegment]
    private let control: CopyControl?
    private let monitor = Monitor()
    private let state = State()

    /// What the monitor guards.
    private final class State: @unchecked Sendable {
        var nextSegment = 0
        var running = 0
        var report = CopyReport()
        var failure: IOFailure?
        var isStopped = false
    }

    init(kernel: CopyKernel, segments: [CopySegment], control: CopyControl?) {
        self.kernel = kernel
        self.segments = segments
        self.control = control
    }

    /// Copies everything, or up to the first failure; progress is told from the calling thread.
    /// Where the system gives no more threads, fewer do it; without any, the calling one.
    func run(
        workerCount: Int, _ startThread: CopyKernel.ThreadStarter, onProgress: ((Int) -> Void)?
    ) throws(IOFailure) -> CopyReport {
        for worker in 0..<min(workerCount, segments.count) {
            monitor.withLock { state.running += 1 }
            do throws(IOFailure) {
                try startThread("snapmgr-copy") { self.work() }
            } catch {
                monitor.withLock { state.running -= 1 }
                if worker == 0 { workAlone(onProgress) }
                break
            }
        }
        return try waitForWorkers(onProgress)
    }

    private func workAlone(_ onProgress: ((Int) -> Void)?) {
        monitor.withLock { state.running += 1 }
        work(onProgress)
    }

    private func waitForWorkers(_ onProgress: ((Int) -> Void)?) throws(IOFailure) -> CopyReport {
        monitor.lock()
        defer { monitor.unlock() }
        var told = 0
        while state.running > 0 {
            monitor.wait()
            let done = state.report.doneBytes
            guard done > told, let onProgress else { continue }
            told = done
            monitor.unlock()
            onProgress(done)
            monitor.lock()
        }
        if let failure = state.failure { throw failure }
        return state.report
    }

    private func work(_ onProgress: ((Int) -> Void)? = nil) {
        while let segment = next() {
            guard control?.admit(byteCount: segment.byteCount) ?? true else {
                monitor.withLock { state.isStopped = true }
                break
            }
            do throws(IOFailure) {
                let report = try kernel.copyAndStartWriteback(segment)
                let done = monitor.withLock {
                    state.report.add(report)
                    return state.report.doneBytes
                }
                onProgress?(done)
            } catch {
                monitor.withLock { if state.failure == nil { state.failure = error } }
            }
            monitor.broadcast()
        }
        monitor.withLock { state.running -= 1 }
        monitor.broadcast()
    }

    private func next() -> CopySegment? {
        monitor.withLock {
            guard !state.isStopped, state.failure == nil, state.nextSegment < segments.count else {
                return nil
            }
            defer { state.nextSegment += 1 }
            return segments[state.nextSegment]
        }
    }
}
