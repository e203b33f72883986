import ArgumentParser
import SnapshotModel

/// Asks before data is overwritten or dropped.
struct ConfirmOptions: ParsableArguments {
    @Flag(help: "Ask nothing.")
    var yes = false

    /// - Parameters:
    ///   - dropping: what nobody could get back; nil when nothing is lost, and then only a terminal
    ///     is asked.
    /// - Throws: `refused` when the answer is no, or nobody is there to give one.
    func confirm(_ question: String, dropping: String?, _ terminal: Terminal) throws {
        guard !yes else { return }
        guard terminal.canAsk else {
            guard let dropping else { return }
            throw Problem(
                .refused, "\(dropping), and nobody is there to be asked",
                hint: "look with --dry-run first, then use --yes")
        }
        let warning = dropping.map { "\($0).\n" } ?? ""
        Output.tell("\(warning)\(question) [y/N] ")
        let answer = readLine()?.lowercased()
        guard answer == "y" || answer == "yes" else {
            throw Problem(.refused, "not confirmed: nothing was changed")
        }
    }
}
