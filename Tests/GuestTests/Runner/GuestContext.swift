/// What a case is given: the disks, and a way to take away again what it made.
final class GuestContext {
    /// Paths of the scratch disks, in the order of ``GuestMachine/diskMebibytes``. What they hold at
    /// first is what the case before left there.
    let disks: [String]
    private var cleanUps: [() throws -> Void] = []

    /// Whether commands run in mount namespaces of their own.
    let separatesMounts: Bool

    init(disks: [String], separatesMounts: Bool = false) {
        self.disks = disks
        self.separatesMounts = separatesMounts
    }

    /// Runs `body` when the case has ended, however it ends; the last one named runs first. A clean-up
    /// that fails fails the case, and the others run all the same.
    func cleanUp(_ body: @escaping () throws -> Void) { cleanUps.append(body) }

    /// Runs the clean-ups and returns what went wrong.
    func end() -> [any Error] {
        var failures: [any Error] = []
        while let body = cleanUps.popLast() {
            do { try body() } catch { failures.append(error) }
        }
        return failures
    }
}
