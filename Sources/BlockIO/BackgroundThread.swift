internal import CSystem
internal import Glibc

/// A thread of our own for blocking work, which must never run on Swift's cooperative pool.
package final class BackgroundThread: @unchecked Sendable {
    private let monitor = Monitor()
    private var hasEnded = false

    private init() {}

    /// Starts a thread that runs `body` once. All signals are blocked on it, so that they reach
    /// the thread that handles them.
    @discardableResult
    package static func start(
        name: String, _ body: @escaping @Sendable () -> Void
    ) -> BackgroundThread {
        let thread = BackgroundThread()
        let work = Unmanaged.passRetained(
            Work(name: name) {
                body()
                thread.end()
            })
        var handle = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let result = pthread_create(
            &handle, &attributes,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        pthread_attr_destroy(&attributes)
        precondition(result == 0, "cannot start a thread: error \(result)")
        return thread
    }

    private func end() {
        monitor.withLock { hasEnded = true }
        monitor.broadcast()
    }

    /// Returns when the thread's body has.
    package func join() {
        monitor.withLock { while !hasEnded { monitor.wait() } }
    }
}

/// What a new thread is handed.
private final class Work: Sendable {
    private let name: String
    private let body: @Sendable () -> Void

    init(name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    func run() {
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
        snapmgr_name_thread(String(name.prefix(15)))
        body()
    }
}
