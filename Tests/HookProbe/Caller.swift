import Glibc
import Hooks
import SnapshotModel

/// A process that puts things at rest with the scripts `before` and `after` of a folder, and tells
/// by files in it how far it is.
struct Caller {
    var folder: String
    var hookCount: Int

    private func makeStack(windowSeconds: Double? = nil) -> HookStack {
        let hooks = (1...max(1, hookCount)).map { number in
            BoundHook(
                Hook(
                    name: "h\(number)",
                    programs: [
                        .beforeFreeze: [folder + "/before"], .afterThaw: [folder + "/after"],
                    ],
                    timeoutSeconds: 600))
        }
        return HookStack(
            HookOperation(.snapshot, volumes: ["data"]), hooks: hooks,
            watchdog: .ownProgram("watchdog"), windowSeconds: windowSeconds)
    }

    /// Writes `frozen` when the programs before have run, waits for `go`, and writes to `result`
    /// how it went.
    func freezeOnce(windowSeconds: Double) {
        let stack = makeStack(windowSeconds: windowSeconds)
        do {
            try stack.begin()
            write("frozen", "")
            while access(folder + "/go", F_OK) != 0 { usleep(10_000) }
            try stack.confirm()
            try stack.end(.succeeded(HookFacts()))
            write("result", "ok")
        } catch {
            try? stack.end(.failed(error))
            write("result", error.message)
        }
    }

    /// Writes to `result` how many descriptors were open before and after so many operations.
    func freeze(times: Int) {
        try? makeStack().perform({}, facts: { HookFacts() })
        let before = openDescriptors
        for _ in 0..<times { try? makeStack().perform({}, facts: { HookFacts() }) }
        write("result", "\(before) \(openDescriptors)")
    }

    private var openDescriptors: Int {
        (0..<4096).count { fcntl($0, F_GETFD) != -1 }
    }

    private func write(_ name: String, _ text: String) {
        let path = folder + "/" + name
        guard let file = fopen(path + ".new", "w") else { return }
        fputs(text, file)
        fclose(file)
        rename(path + ".new", path)
    }
}
