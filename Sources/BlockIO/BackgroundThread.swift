internal import Glibc

/// A thread of our own, for work that blocks: such work never runs on Swift's cooperative pool.
///
/// Signals stay with the threads that the program itself started: here all of them are blocked.
package final class BackgroundThread: Sendable {
    private let thread: pthread_t

    /// Starts the thread. The name shows in `top -H`; the system keeps its first 15 bytes.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(IOFailure) {
        let work = Unmanaged.passRetained(ThreadBody(name: name, run: body))
        var thread = pthread_t()
        let result = withSignalsBlocked {
            pthread_create(&thread, nil, runThreadBody, work.toOpaque())
        }
        guard result == 0 else {
            work.release()
            throw IOFailure("start", path: "thread \(name)", code: result)
        }
        self.thread = thread
    }

    /// Waits until the thread has ended; to be called exactly once, from another thread.
    package func join() { pthread_join(thread, nil) }

    /// Lets the calling thread rest.
    package static func sleep(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }
}

private final class ThreadBody: Sendable {
    private let name: String
    private let body: @Sendable () -> Void

    init(name: String, run body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    func run() {
        // A name is only for those who look; a thread without one works as well.
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        if file >= 0 {
            _ = write(file, name, name.utf8.count)
            close(file)
        }
        body()
    }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}

/// A new thread inherits the mask of the one that makes it.
private func withSignalsBlocked<Result>(_ body: () -> Result) -> Result {
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    return body()
}
