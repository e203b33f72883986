package import SnapshotModel
package import System

/// What a VM has of the network.
extension MonitorClient {
    /// More than a machine has places for.
    private static let cardsMaximum = 256

    /// The names of its network cards. QEMU tells them to people alone.
    package func networkCards(by deadline: Deadline) throws(Problem) -> [String] {
        let text = try ask(
            "human-monitor-command", MonitorMessage.HumanCommand(commandLine: "info network"),
            as: String.self, by: deadline)
        return Array(Self.cards(in: text).prefix(Self.cardsMaximum))
    }

    /// A line is `net0: index=0,type=nic,model=...`, behind a bar where it belongs to another one, and behind the name of
    /// a hub's port.
    static func cards(in text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            guard line.contains(",type=nic,"), let end = line.firstRange(of: ": index=") else {
                return nil
            }
            return line[..<end.lowerBound].split(separator: " ").last.map(String.init)
        }
    }

    /// Pulls the cable of a network card, as far as its guest can see; it has neither a way out nor one in.
    package func unplug(_ card: String, by deadline: Deadline) throws(Problem) {
        try run("set_link", MonitorMessage.Link(name: card, up: false), by: deadline)
    }

    /// Has it not tell the network, when memory has come in, that its addresses are here now.
    package func beSilent(by deadline: Deadline) throws(Problem) {
        try run(
            "migrate-set-parameters", MonitorMessage.Announcements(rounds: 0), by: deadline)
    }
}
