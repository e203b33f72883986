/// What the words in braces stand for that start a copy of a VM.
package struct MachineCopyWords: Hashable, Sendable {
    /// The copy's name: `{name}`.
    package var name: String
    /// Where its monitor is to listen: `{qmp}`.
    package var monitorPath: String
    /// Whether it is to have a network: `{network}` is `on` or `off`.
    package var hasNetwork: Bool
    /// Where QEMU finds the clones, by the volumes that they are in the place of: `{disk:VOLUME}`.
    package var disks: [String: String]

    package init(
        name: String, monitorPath: String, hasNetwork: Bool, disks: [String: String]
    ) {
        self.name = name
        self.monitorPath = monitorPath
        self.hasNetwork = hasNetwork
        self.disks = disks
    }

    /// The word for the monitor's socket.
    static let monitorWord = "{qmp}"

    /// The word for a disk.
    static func diskWord(_ volume: String) -> String { "{disk:\(volume)}" }

    /// What a text has in braces, with these.
    static func words(in text: String) -> [Substring] {
        var (words, rest) = ([Substring](), text[...])
        while let start = rest.firstIndex(of: "{"), let end = rest[start...].firstIndex(of: "}") {
            words.append(rest[start...end])
            rest = rest[rest.index(after: end)...]
        }
        return words
    }

    /// A text with what its words stand for; what that has in braces itself stays.
    func filled(_ text: String) -> String {
        var (filled, rest) = ("", text[...])
        for word in Self.words(in: text) {
            filled += rest[..<word.startIndex] + (value(of: String(word)) ?? String(word))
            rest = rest[word.endIndex...]
        }
        return filled + rest
    }

    private func value(of word: String) -> String? {
        switch word {
        case "{name}": name
        case Self.monitorWord: monitorPath
        case "{network}": hasNetwork ? "on" : "off"
        default: disks.first { Self.diskWord($0.key) == word }?.value
        }
    }
}
