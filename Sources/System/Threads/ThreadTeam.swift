internal import Glibc

/// Threads that do the same for many things at once, where each of them waits for something.
package enum ThreadTeam {
    /// How many threads a machine keeps busy that never wait, at least 1 and at most 8.
    package static var processorCount: Int { max(1, min(8, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// Calls `body` with each number below `count`, up to `width` of them at a time, the calling thread
    /// among those who do. Where the system gives no more threads, fewer do it. Returns when all is done.
    package static func run(
        count: Int, width: Int, name: String, _ body: @escaping @Sendable (Int) -> Void
    ) {
        let next = Monitored(0)
        let work: @Sendable () -> Void = {
            while let number = next.withLock({ number -> Int? in
                guard number < count else { return nil }
                defer { number += 1 }
                return number
            }) {
                body(number)
            }
        }
        var threads: [BackgroundThread] = []
        for _ in 1..<max(1, min(count, width)) {
            guard let thread = try? BackgroundThread.startIfPossible(name: name, work) else {
                break
            }
            threads.append(thread)
        }
        work()
        for thread in threads { thread.join() }
    }
}
