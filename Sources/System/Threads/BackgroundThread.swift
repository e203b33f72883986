internal import CSystem
internal import Glibc

/// A thread of our own for blocking work, which must never run on Swift's cooperative pool.
package final class BackgroundThread: @unchecked Sendable {
    private let monitor = Monitor()
    private var hasEnded = false

    private init() {}

    /// Starts a thread that runs `body` once. All signals are blocked on it, so that they reach
    /// the thread that handles them. For threads without which nothing works.
    @discardableResult
    package static func start(
        name: String, _ body: @escaping @Sendable () -> Void
    ) -> BackgroundThread {
        do throws(IOFailure) {
            return try startIfPossible(name: name, body)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// As ``start(name:_:)``, for threads whose number depends on what others do; EAGAIN when the
    /// system gives no more.
    package static func startIfPossible(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(IOFailure) -> BackgroundThread {
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
        guard result == 0 else {
            work.release()
            throw IOFailure("start", path: "thread \(name)", code: result)
        }
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

    /// Returns when the thread's body has, or when so many milliseconds have passed.
    package func join(milliseconds: Int) {
        let deadline = Deadline(milliseconds: milliseconds)
        monitor.withLock {
            while !hasEnded, !deadline.hasPassed {
                monitor.wait(milliseconds: deadline.remainingMilliseconds)
            }
        }
    }

    /// Lets the calling thread rest.
    package static func sleep(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }
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
