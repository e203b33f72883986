import Glibc

/// Says which histories were running when the process itself dies: of a trap, of a bad access, or
/// because no history came to an end for a long time.
enum CrashNote {
    private static let workersMaximum = 64
    /// Far more than the longest history takes, also under a sanitizer on a busy machine.
    private static let hangSeconds: UInt32 = 600

    nonisolated(unsafe) private static let seeds: UnsafeMutablePointer<UInt64> = {
        let seeds = UnsafeMutablePointer<UInt64>.allocate(capacity: workersMaximum)
        seeds.initialize(repeating: 0, count: workersMaximum)
        return seeds
    }()

    static func begin(_ seed: UInt64, worker: Int) {
        if worker < workersMaximum { seeds[worker] = seed }
        alarm(hangSeconds)
    }

    /// Installs the handler.
    static func install() {
        _ = seeds
        for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGALRM] {
            Glibc.signal(signal) { number in
                CrashNote.write()
                Glibc.signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    /// Only what a signal handler may do: no allocation, no locks.
    private static func write() {
        for worker in 0..<workersMaximum where seeds[worker] != 0 {
            withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { buffer in
                var position = 31
                buffer[position] = 10
                var rest = seeds[worker]
                repeat {
                    position -= 1
                    buffer[position] = 48 + UInt8(rest % 10)
                    rest /= 10
                } while rest > 0 && position > 0
                _ = "died; was running seed ".withCString { Glibc.write(2, $0, 23) }
                _ = Glibc.write(2, buffer.baseAddress.map { $0 + position }, 32 - position)
            }
        }
    }
}
