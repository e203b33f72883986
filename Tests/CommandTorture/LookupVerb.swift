/// A command whose look-ups fail.
struct LookupVerb: Sendable {
    let words: [String]
    /// What it may change.
    let begun: Command?
    /// What of its output must always be the same, however little it learns of the stores.
    var printed: Printed = .anything
    /// Whether it has done what it may change when it says so.
    var isWhole = true
    /// Whether it runs until it is stopped.
    var serves = false

    enum Printed: Sendable {
        case anything
        /// The first word of each line: the ids of a list.
        case firstWords
        case everything
    }

    /// The part of an output that must always be the same.
    func essence(_ output: String) -> String {
        switch printed {
        case .anything: ""
        case .firstWords:
            output.split(separator: "\n")
                .map { $0.split(separator: " ").first ?? "" }.joined(separator: " ")
        case .everything: output
        }
    }

    var name: String { words.joined(separator: " ") }

    /// - Parameter slot: the slot of the schedule that is due, in seconds since 1970.
    static func all(root: String, slot: Int64) -> [LookupVerb] {
        let tick = Command.tick(slot: slot, kept: Machine.keptCount)
        return [
            LookupVerb(words: ["snapshot", "a"], begun: .take(volumes: ["a"])),
            LookupVerb(words: ["snapshot", "b"], begun: .take(volumes: ["b"])),
            LookupVerb(words: ["snapshot", "a", "c"], begun: .take(volumes: ["a", "c"])),
            LookupVerb(words: ["list"], begun: nil, printed: .firstWords),
            LookupVerb(words: ["show", "1"], begun: nil),
            LookupVerb(words: ["diff", "1", "2"], begun: nil, printed: .everything),
            LookupVerb(words: ["export", "1", "\(root)/exported.raw"], begun: nil),
            LookupVerb(
                words: ["revert", "2", "--yes"],
                begun: .revert(ids: [2], reference: "2", waits: true)),
            LookupVerb(
                words: ["revert", "1", "--yes", "--no-wait"],
                begun: .revert(ids: [1], reference: "1", waits: false)),
            LookupVerb(
                words: ["revert", "1", "--with", "known", "--end-clone", "--yes"],
                begun: .revertWith(name: "known", id: 1, ends: true, waits: true)),
            LookupVerb(
                words: ["revert", "1", "--with", "known", "--yes", "--no-wait"],
                begun: .revertWith(name: "known", id: 1, ends: false, waits: false)),
            LookupVerb(words: ["delete", "2"], begun: .delete(ids: [2])),
            LookupVerb(words: ["prune"], begun: tick, isWhole: false),
            LookupVerb(words: ["tick"], begun: tick),
            LookupVerb(words: ["merge", "resume"], begun: nil),
            LookupVerb(words: ["merge", "status"], begun: nil),
            LookupVerb(words: ["check"], begun: nil),
            LookupVerb(words: ["check", "--repair"], begun: nil),
            LookupVerb(words: ["catalog", "rebuild"], begun: .rebuild),
            LookupVerb(words: ["volume", "list"], begun: nil, printed: .firstWords),
            LookupVerb(words: ["status"], begun: nil),
            LookupVerb(words: ["hold", "2", "--reason", "test"], begun: .hold(id: 2)),
            LookupVerb(
                words: ["clone", "create", "2", "trial"], begun: .clone(name: "trial", id: 2)),
            LookupVerb(
                words: ["clone", "create", "known", "next"],
                begun: .cloneOfClone(name: "next", parent: "known", id: 1)),
            LookupVerb(words: ["clone", "list"], begun: nil),
            LookupVerb(words: ["clone", "delete", "known"], begun: .deleteClone(name: "known")),
            LookupVerb(
                words: [
                    "clone", "promote", "known", "--name", "own", "--origin", "\(root)/own.img",
                ],
                begun: .promote(name: "known", volume: "own")),
            LookupVerb(words: ["release", "1", "--owner", "test"], begun: .release(id: 1)),
            LookupVerb(
                words: ["volume", "remove", LookupMachine.removable, "--yes"],
                begun: .remove(volume: LookupMachine.removable)),
            LookupVerb(words: ["serve", "--socket", "\(root)/nbd.sock"], begun: nil, serves: true),
        ]
    }
}
