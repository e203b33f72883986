package import SnapshotModel

/// A virtual machine whose disks are volumes, and how it is reached.
package struct MachineSettings: Hashable, Sendable {
    package var name: String
    /// Its disks, at least one; none of them is another VM's.
    package var volumes: [String]
    /// The Unix socket of QEMU's monitor, absolute.
    package var monitorPath: String
    /// That of its guest agent; nil when it has none.
    package var agentPath: String?
    /// Whether its memory is saved with its volumes.
    package var savesState: Bool
    /// What is refused when it cannot be had.
    package var required: Consistency
    /// What starts it; ``incomingWord`` stands for what makes QEMU wait for a state. Nil when nothing does.
    package var start: [String]?
    /// What starts a copy of it, with the words of ``MachineCopyWords``; nil when nothing does.
    package var copyStart: [String]?
    /// How long its filesystems may take to freeze, and to thaw, in milliseconds.
    package var freezeMilliseconds: Int
    /// How long its memory may take to go out, and to come in, in milliseconds.
    package var stateMilliseconds: Int
    /// How long it may take from its start until its monitor answers, in milliseconds.
    package var startMilliseconds: Int

    /// The argument in ``start`` that becomes `-incoming defer`, or nothing; in ``copyStart``, that or `-S`.
    package static let incomingWord = "{incoming}"
    private static let incomingArguments = ["-incoming", "defer"]
    /// With which QEMU waits to be told to run.
    private static let pausedArguments = ["-S"]

    package static let standardFreeze = 5
    package static let standardState = 120
    package static let standardStart = 30

    package init(
        name: String, volumes: [String], monitorPath: String, agentPath: String? = nil,
        savesState: Bool = false, required: Consistency = .crash, start: [String]? = nil,
        copyStart: [String]? = nil,
        freezeMilliseconds: Int = standardFreeze * 1000,
        stateMilliseconds: Int = standardState * 1000,
        startMilliseconds: Int = standardStart * 1000
    ) {
        self.name = name
        self.volumes = volumes
        self.monitorPath = monitorPath
        self.agentPath = agentPath
        self.savesState = savesState
        self.required = required
        self.start = start
        self.copyStart = copyStart
        self.freezeMilliseconds = freezeMilliseconds
        self.stateMilliseconds = stateMilliseconds
        self.startMilliseconds = startMilliseconds
    }

    /// The arguments that start it, the program first; nil when nothing does.
    ///
    /// - Parameter awaitsState: whether it is to wait for a state.
    package func startArguments(awaitsState: Bool) -> [String]? {
        start.map { Self.arguments($0, awaitsState: awaitsState) }
    }

    /// The same of a copy, which stands still until it is told to run.
    package func copyArguments(_ words: MachineCopyWords, awaitsState: Bool) -> [String]? {
        copyStart.map {
            Self.arguments($0, awaitsState: awaitsState, otherwise: Self.pausedArguments) {
                words.filled($0)
            }
        }
    }

    private static func arguments(
        _ words: [String], awaitsState: Bool, otherwise: [String] = [],
        _ filled: (String) -> String = { $0 }
    ) -> [String] {
        words.flatMap { word in
            guard word == incomingWord else { return [filled(word)] }
            return awaitsState ? incomingArguments : otherwise
        }
    }
}
