internal import DeviceMapper
internal import StoreFormat
internal import SnapshotModel

// Whose a suspension is. An administrator may have the I/O of a volume wait on purpose: that is for
// him to end. What a command of ours has left suspended, since it was killed, is for the next one.
extension VolumeStack {
    private var store: Store { Store(folder: folder) }

    /// The devices that run and are suspended, and not by snapmgr; the lowest first.
    ///
    /// Right without the store's lock, too: a command that suspends devices notes it first.
    func suspendedByOthers() throws(Problem) -> [Part] {
        let suspended = try held()
        // Where nobody has noted anything, an earlier version was at work, which may have been killed.
        guard !suspended.isEmpty, let note = store.suspensionNote() else { return [] }
        var found: [Part] = []
        for part in suspended where !note.devices.contains(name(part).text) {
            if try isHeld(part) { found.append(part) }
        }
        guard store.suspensionNote() == note else { return [] }
        return found.sorted { $0.height < $1.height }
    }

    private func held() throws(Problem) -> [Part] {
        var parts: [Part] = []
        for part in try existing() where try isHeld(part) { parts.append(part) }
        return parts
    }

    /// One that never ran is suspended, too, and holds nobody's I/O.
    private func isHeld(_ part: Part) throws(Problem) -> Bool {
        guard let info = try info(part) else { return false }
        return info.isSuspended && info.hasLiveTable
    }

    /// `.refused` when somebody else has suspended the device, which is to be suspended now: the end of
    /// ours would be the end of his.
    func requireRunning(_ part: Part) throws(Problem) {
        guard try isHeld(part), let note = store.suspensionNote(),
            !note.devices.contains(name(part).text)
        else { return }
        throw suspensionProblem([part])
    }

    /// Why nothing of the volume can be changed, and what to do about it.
    func suspensionProblem(_ parts: [Part]) -> Problem {
        let names = parts.map { name($0).text }
        let isOne = names.count == 1
        let resuming = names.map { "dmsetup resume \($0)" }.joined(separator: " && ")
        return Problem(
            .refused,
            "\(isOne ? "the device" : "the devices") \(names.joined(separator: ", ")) of volume "
                + "\(record.name) \(isOne ? "is" : "are") suspended, and not by snapmgr: I/O waits there",
            hint: "to let it go on, run `\(resuming)`")
    }

    // MARK: Notes

    /// Notes that snapmgr suspends these devices now. Before the first one is: whoever finds it
    /// suspended knows then that it is to go on.
    func noteSuspension(of parts: [Part]) throws(Problem) {
        let note = store.suspensionNote()
        // What a command of an earlier version has left is ours, too.
        let known = if let note { Set(note.devices) } else { try heldNames() }
        try write(known.union(names(parts)), after: note)
    }

    /// Notes that these devices were seen to run again. Best effort: the next command sees to it.
    func noteResumption(of parts: [Part]) {
        guard let note = store.suspensionNote() else { return }
        try? write(Set(note.devices).subtracting(names(parts)), after: note)
    }

    /// Has the note name what is suspended, and nothing else: what a process has noted that was killed
    /// may be resumed, by its guard.
    ///
    /// - Parameter makesNote: whether to make it where there is none.
    func settleNote(makesNote: Bool) {
        let note = store.suspensionNote()
        guard makesNote ? note?.devices.isEmpty != true : note?.devices.isEmpty == false,
            let held = try? heldNames()
        else { return }
        try? write(note.map { held.intersection($0.devices) } ?? held, after: note)
    }

    private func names(_ parts: [Part]) -> Set<String> { Set(parts.map { name($0).text }) }

    private func heldNames() throws(Problem) -> Set<String> {
        names(try held())
    }

    private func write(_ devices: Set<String>, after note: SuspensionNote?) throws(Problem) {
        guard note.map({ Set($0.devices) != devices }) ?? true else { return }
        try store.writeSuspensionNote(
            note?.next(devices) ?? SuspensionNote(devices: devices.sorted(), revision: 0))
    }
}
