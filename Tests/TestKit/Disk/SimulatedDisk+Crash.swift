internal import System

/// What a crash takes with it.
package enum CrashMode: String, Sendable, CaseIterable {
    /// The process is killed: the page cache survives, and is still not durable.
    case keepAll
    /// Power is cut, and nothing that was not synced survives.
    case dropAll
    /// Power is cut; every unsynced sector survives or not, each on its own, and of the unsynced
    /// names of each folder the first ones.
    case random
}

extension SimulatedDisk {
    /// The disk as the next start finds it after a crash at this moment. This disk goes on.
    package func crashImage(
        using generator: inout SeededGenerator, mode: CrashMode
    ) -> SimulatedDisk {
        var state = monitor.withLock { self.state }
        switch mode {
        case .keepAll: break
        case .dropAll:
            state.cutPower(keepsSector: { false }, keepsChange: { false })
        case .random:
            // Few, half or most survive: each kind finds other mistakes than an even chance does.
            let chance = [1, 4, 7][generator.below(3)]
            var bits = CoinTosser(generator: generator)
            state.cutPower(
                keepsSector: { bits.toss(chance) }, keepsChange: { bits.toss(chance) })
            generator = bits.generator
        }
        let image = SimulatedDisk(path: path, state: state)
        image.dropUnreachable()
        return image
    }

    // MARK: files that no name leads to

    func retainFile(_ number: Int) {
        monitor.withLock { handles[number, default: 0] += 1 }
    }

    func releaseFile(_ number: Int) {
        monitor.withLock {
            handles[number, default: 1] -= 1
            if handles[number] == 0 { handles[number] = nil }
        }
    }

    /// Forgets files and folders that neither a name, a durable name nor a handle leads to.
    func dropUnreachable() {
        var (files, folders) = (Set([Self.originNumber]), Set([0]))
        var toVisit = [0]
        while let number = toVisit.popLast() {
            for node in state.folders[number]?.reachable ?? [] {
                switch node {
                case .file(let file): files.insert(file)
                case .folder(let folder):
                    if folders.insert(folder).inserted { toVisit.append(folder) }
                }
            }
        }
        for number in state.files.keys where !files.contains(number) && handles[number] == nil {
            state.files[number] = nil
        }
        for number in state.folders.keys where !folders.contains(number) {
            state.folders[number] = nil
        }
    }
}

/// Random decisions, sixteen to a random number.
private struct CoinTosser {
    var generator: SeededGenerator
    private var bits: UInt64 = 0
    private var left = 0

    init(generator: SeededGenerator) { self.generator = generator }

    /// True `chance` times in eight.
    mutating func toss(_ chance: Int) -> Bool {
        if left == 0 {
            bits = generator.next()
            left = 16
        }
        defer {
            bits >>= 4
            left -= 1
        }
        return bits & 7 < UInt64(chance)
    }
}

extension SimulatedDisk.State {
    fileprivate mutating func cutPower(keepsSector: () -> Bool, keepsChange: () -> Bool) {
        bootCount += 1
        for number in files.keys.sorted() where files[number]?.isDirty == true {
            files[number]?.cutPower(keepsSector: keepsSector, keepsChange: keepsChange)
        }
        for number in folders.keys.sorted() where folders[number]?.isDirty == true {
            folders[number]?.cutPower(keeps: keepsChange)
        }
        relink()
    }

    /// A power cut brings back the names that were taken away in vain.
    private mutating func relink() {
        for folder in folders.values {
            for case .file(let number) in folder.latest.values { files[number]?.isLinked = true }
        }
    }
}
