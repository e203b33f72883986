import Manager

/// What the words mean that tables, help and messages use: `snapmgr help words`.
enum Glossary {
    /// A word, and one or two sentences.
    struct Entry {
        var word: String
        var meaning: String
    }

    /// In an order in which each needs only those before it, as far as that goes.
    static let entries: [Entry] = [
        .init(
            word: "origin",
            meaning: "the image or block device that is under management. It stays plain, and "
                + "readable without snapmgr."),
        .init(
            word: "volume",
            meaning: "an origin under management, by its name."),
        .init(
            word: "store",
            meaning:
                "the folder beside the origin in which a volume's snapshots keep what they need."),
        .init(
            word: "snapshot",
            meaning: "the state of a volume at one moment, which can be read, served and gone back "
                + "to."),
        .init(
            word: "set",
            meaning: "snapshots of several volumes, taken at one instant; and the name under which "
                + "the settings have these volumes taken so."),
        .init(
            word: "chunk",
            meaning:
                "the piece of a volume that is copied at once when it is written to first after "
                + "a snapshot; 16 KiB unless chosen otherwise."),
        .init(
            word: "exception",
            meaning: "a chunk as it was before such a write, kept for the snapshots that need it."),
        .init(
            word: "area",
            meaning: "the file in the store with the exceptions of one snapshot."),
        .init(
            word: "active",
            meaning: "of a snapshot: the newest one, whose area still grows. Of a volume under "
                + "device-mapper: its devices are there."),
        .init(
            word: "frozen",
            meaning:
                "of a snapshot: not the newest one; its area does not grow any more. It can be "
                + "used as ever."),
        .init(
            word: "changed",
            meaning: "what was written between the snapshot before and this one."),
        .init(
            word: "exclusive",
            meaning: "what only this snapshot needs, and deleting it alone would free."),
        .init(
            word: "revert",
            meaning:
                "to have a volume read as a snapshot. Every snapshot stays, also the newer ones."),
        .init(
            word: "safety",
            meaning:
                "the kind of snapshot that a revert takes of the state that it leaves. Reverting "
                + "to it undoes the revert."),
        .init(
            word: "merge",
            meaning:
                "the copying that a revert does in the background, until the origin itself holds "
                + "what the volume reads as."),
        .init(
            word: "merging",
            meaning: "a merge is under way, or waits for the next one to open the volume."),
        .init(
            word: "broken",
            meaning:
                "of a snapshot: exceptions were lost, as in a store that was full; it is never "
                + "served. Of a volume: some of its snapshots are."),
        .init(
            word: "missing",
            meaning: "the store, or the origin, is not where it was; it may not be mounted yet."),
        .init(
            word: "clone",
            meaning: "a writable layer over a snapshot, which costs what is written to it."),
        .init(
            word: "hold",
            meaning: "what keeps a snapshot from being deleted, with who wants it and why."),
        .init(
            word: "schedule",
            meaning: "when snapshots are due: every so often, or by a calendar."),
        .init(
            word: "slot",
            meaning: "one of the moments at which a schedule is due."),
        .init(
            word: "tick",
            meaning: "one run of what is due, which a timer calls each minute."),
        .init(
            word: "policy",
            meaning: "the rules that say which snapshots stay, and until when."),
        .init(
            word: "prune",
            meaning: "to delete the snapshots that no rule and no hold keeps."),
        .init(
            word: "mirror",
            meaning: "a copy of a volume's snapshots at another site, kept up to date."),
    ]

    /// What `help words` prints; nil when the arguments ask for something else.
    static func answer(to arguments: [String]) -> String? {
        let flags: Set<String> = ["--json", "-q", "--quiet", "-v", "--verbose"]
        guard arguments.filter({ !flags.contains($0) }) == ["help", "words"] else { return nil }
        guard !arguments.contains("--json") else {
            let words = entries.map {
                ["word": JSONValue($0.word), "meaning": JSONValue($0.meaning)] as JSONValue
            }
            let document: JSONValue = ["words": .array(words)]
            return "\(document)\n"
        }
        return entries.map { Self.text($0, width: 80) }.joined()
    }

    /// The word, and its meaning beside it in lines of that width.
    static func text(_ entry: Entry, width: Int) -> String {
        let indent = (entries.map(\.word.count).max() ?? 0) + 2
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in entry.meaning.split(separator: " ") {
            if !line.isEmpty, indent + line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        lines.append(line)
        let head = entry.word + margin.dropFirst(entry.word.count)
        return head + lines.joined(separator: "\n" + margin) + "\n"
    }
}
