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
    /// Whether it only looks: then it makes nothing, whatever fails.
    var onlyLooks = false
    /// The file that is its standard input.
    var input: String?
    /// What tells that it has done what it says it has.
    var proof: Proof?
    /// The statuses with which it may end when it is given again after it has failed; nil when that is not tried.
    var repeated: [Int32]?
    /// It takes long: only each so many-th of its look-ups fails.
    var stride = 1

    struct Proof: Sendable {
        /// A command, or a file when it is nil.
        var words: [String]?
        var file = ""
        /// What is in the one's output, or in the other.
        var text: String
    }

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

    /// All that are tried.
    ///
    /// - Parameters:
    ///   - slot: the slot of the schedule that is due, in seconds since 1970.
    ///   - stream: a file with a stream of one snapshot.
    static func all(root: String, slot: Int64, stream: String) -> [LookupVerb] {
        snapshots(root) + reverts() + clones(root) + upkeep(slot) + volumes(root)
            + streams(root, stream) + mirrors(root) + files(root)
    }

    private static func looking(_ words: String..., printed: Printed = .anything) -> LookupVerb {
        LookupVerb(words: words, begun: nil, printed: printed, onlyLooks: true)
    }

    private static func snapshots(_ root: String) -> [LookupVerb] {
        [
            LookupVerb(words: ["snapshot", "a"], begun: .take(volumes: ["a"])),
            LookupVerb(words: ["snapshot", "b"], begun: .take(volumes: ["b"])),
            LookupVerb(words: ["snapshot", "a", "c"], begun: .take(volumes: ["a", "c"])),
            looking("list", printed: .firstWords), looking("show", "1"),
            looking("diff", "1", "2", printed: .everything),
            LookupVerb(words: ["export", "1", "\(root)/exported.raw"], begun: nil),
            LookupVerb(words: ["delete", "2"], begun: .delete(ids: [2])),
            LookupVerb(
                words: ["modify", LookupMachine.middle, "--note", "trial"], begun: nil,
                proof: Proof(words: ["show", LookupMachine.middle], text: "trial")),
            LookupVerb(words: ["hold", "2", "--reason", "test"], begun: .hold(id: 2)),
            LookupVerb(words: ["release", "1", "--owner", "test"], begun: .release(id: 1)),
            looking("hold", "list"),
        ]
    }

    private static func reverts() -> [LookupVerb] {
        [
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
            LookupVerb(words: ["merge", "resume"], begun: nil), looking("merge", "status"),
        ]
    }

    private static func clones(_ root: String) -> [LookupVerb] {
        [
            LookupVerb(
                words: ["clone", "create", "2", "trial"], begun: .clone(name: "trial", id: 2)),
            LookupVerb(
                words: ["clone", "create", "known", "next"],
                begun: .cloneOfClone(name: "next", parent: "known", id: 1)),
            looking("clone", "list"),
            LookupVerb(words: ["clone", "delete", "known"], begun: .deleteClone(name: "known")),
            LookupVerb(
                words: [
                    "clone", "promote", "known", "--name", "own", "--origin", "\(root)/own.img",
                ],
                begun: .promote(name: "known", volume: "own")),
        ]
    }

    private static func upkeep(_ slot: Int64) -> [LookupVerb] {
        let tick = Command.tick(slot: slot, kept: Machine.keptCount)
        return [
            LookupVerb(words: ["prune"], begun: tick, isWhole: false),
            LookupVerb(words: ["tick"], begun: tick), LookupVerb(words: ["check"], begun: nil),
            LookupVerb(words: ["check", "--repair"], begun: nil),
            LookupVerb(words: ["catalog", "rebuild"], begun: .rebuild), looking("status"),
            looking("events"),
        ]
    }

    private static func volumes(_ root: String) -> [LookupVerb] {
        let volume = LookupMachine.removable
        let show = ["volume", "show", volume, "--json"]
        return [
            looking("volume", "list", printed: .firstWords), looking("volume", "show", volume),
            LookupVerb(
                words: [
                    "volume", "create", "made", "--origin", "\(root)/made.img", "--create-size",
                    "192K", "--chunk", "4K",
                ], begun: .create(volume: "made"), repeated: [0, 1]),
            LookupVerb(
                words: ["volume", "set", volume, "--when-full", "break-snapshots"], begun: nil,
                proof: Proof(words: show, text: "break-snapshots")),
            LookupVerb(
                words: ["volume", "set", volume, "--origin", "\(root)/\(volume).img"], begun: nil),
            LookupVerb(
                words: ["volume", "set", volume, "--name", "called"],
                begun: .rename(volume: volume, name: "called"), repeated: [0, 4]),
            LookupVerb(
                words: ["volume", "resize", volume, "256K", "--yes"], begun: nil,
                proof: Proof(words: show, text: "262144")),
            LookupVerb(
                words: ["volume", "remove", volume, "--yes"], begun: .remove(volume: volume),
                repeated: [0, 4]),
            LookupVerb(
                words: ["serve", "--socket", "\(root)/nbd.sock"], begun: nil, serves: true,
                stride: 12),
        ]
    }

    private static func streams(_ root: String, _ stream: String) -> [LookupVerb] {
        [
            LookupVerb(
                words: ["send", LookupMachine.middle], begun: nil, printed: .everything),
            LookupVerb(
                words: ["receive", "received", "--origin", "\(root)/received.img"],
                begun: .create(volume: "received"), input: stream,
                proof: Proof(words: ["list", "received", "--json"], text: "\"id\""),
                repeated: [0]),
        ]
    }

    private static func mirrors(_ root: String) -> [LookupVerb] {
        let volume = LookupMachine.removable
        return [
            LookupVerb(
                words: ["mirror", "add", "second", volume, "ssh://far/other"], begun: nil,
                proof: Proof(words: ["mirror", "list"], text: "second"), repeated: [0, 1]),
            looking("mirror", "list"), looking("mirror", "show", LookupMachine.mirror),
            LookupVerb(
                words: ["mirror", "run", LookupMachine.mirror], begun: nil,
                proof: Proof(
                    words: ["list", "copy", "--json", "--state", "\(root)/far"], text: "\"id\""),
                stride: 12),
            LookupVerb(
                words: ["mirror", "demote", volume], begun: .take(volumes: [volume]),
                proof: Proof(words: ["hold", "list"], text: "mirror demote")),
            LookupVerb(words: ["mirror", "promote", volume], begun: nil),
        ]
    }

    private static func files(_ root: String) -> [LookupVerb] {
        let (snapshot, file) = (LookupMachine.ofFiles, LookupMachine.fileName)
        return [
            looking("files", snapshot, printed: .everything),
            looking("get", snapshot, "/\(file)", "--to", "-", printed: .everything),
            looking("find", LookupMachine.removable, "/\(file)"),
            LookupVerb(
                words: ["get", snapshot, "/\(file)", "--to", root], begun: nil,
                proof: Proof(file: "\(root)/\(file)", text: LookupMachine.fileText)),
        ]
    }
}
