internal import SnapshotModel
internal import System

/// Tells the other site now and then that this one is at work, while something takes long: a merge or a disk that is
/// slow is not a dead machine. Nothing else may be sent between `start` and `stop`.
final class SignOfLife {
    static let milliseconds = 30_000

    private let channel: PeerChannel
    private let milliseconds: Int?
    private var running: (signs: Signs, thread: BackgroundThread)?

    /// - Parameter milliseconds: how long it is from one sign to the next; nil gives none.
    init(_ channel: PeerChannel, every milliseconds: Int?) {
        self.channel = channel
        self.milliseconds = milliseconds
    }

    deinit { stop() }

    func start() {
        guard let milliseconds, running == nil else { return }
        let signs = Signs(channel, milliseconds)
        running = (signs, BackgroundThread.start(name: "signs") { signs.run() })
    }

    /// Returns when none is sent any more.
    func stop() {
        running?.signs.end()
        running?.thread.join()
        running = nil
    }
}

/// Two threads have it. The channel is written to by its own thread alone until that has ended.
private final class Signs: @unchecked Sendable {
    private let channel: PeerChannel
    private let milliseconds: Int
    private let monitor = Monitor()
    private var isOver = false

    init(_ channel: PeerChannel, _ milliseconds: Int) {
        self.channel = channel
        self.milliseconds = milliseconds
    }

    func run() {
        while !waits() {
            // Who does not hear it any more is met by whoever answers him.
            do { try channel.send(PeerAnswer(isWorking: true)) } catch { return }
        }
    }

    /// Whether it is over before the next sign is due.
    private func waits() -> Bool {
        let clock = SystemClock()
        let end = clock.monotonicNanoseconds().addingClamped(
            Int64(milliseconds).multipliedClamped(by: 1_000_000))
        return monitor.withLock {
            while !isOver {
                let left = end.subtractingClamped(clock.monotonicNanoseconds())
                guard left > 0 else { return false }
                _ = monitor.wait(milliseconds: max(1, Int(clamping: left / 1_000_000)))
            }
            return true
        }
    }

    func end() {
        monitor.withLock {
            isOver = true
            monitor.broadcast()
        }
    }
}
