package import SnapshotModel

extension ClientPresence {
    /// Why a volume's content is not changed under its clients.
    package func problem(_ volume: String) -> Problem {
        Problem(
            .refused,
            "volume \(volume) is open: \(holders) it open for writing over NBD, since \(since)",
            hint: "unmount it in the client or stop the VM; with --force, that must be done "
                + "afterwards, before anything more is written")
    }

    /// What those have to do whose volume was changed under them.
    package func advice(_ volume: String) -> String {
        "\(holders) volume \(volume) open, since \(since): what was read before is not valid any more; "
            + "unmount it in the client or stop the VM, and begin anew"
    }

    private var holders: String { count == 1 ? "a client has" : "\(count) clients have" }
}
