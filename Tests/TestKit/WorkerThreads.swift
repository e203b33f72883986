internal import Glibc

/// Threads that run until all of them have returned.
package enum WorkerThreads {
    /// Runs `body` once on each of `count` threads of its own, with the thread's number.
    package static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        var threads: [pthread_t] = []
        for index in 0..<count {
            let job = Unmanaged.passRetained(Job { body(index) })
            var thread = pthread_t()
            let status = pthread_create(&thread, nil, runJob, job.toOpaque())
            precondition(status == 0, "no thread: error \(status)")
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
    }

    /// The processors that this process may use.
    package static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}

private final class Job: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func runJob(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body() }
    return nil
}
