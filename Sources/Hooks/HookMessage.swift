internal import SnapshotModel

/// What a caller tells the watchdog. One request is under way at a time; only ``cancel`` may follow
/// another before its answer.
enum HookRequest: Codable, Hashable {
    /// The first one: the protocol's version, and how long the volumes' applications may be at rest
    /// from the first step on, in milliseconds. Answer: ``HookReply/ready(version:)``.
    case hello(version: Int, windowMilliseconds: Int)
    /// Runs the program before, and from then on owes the one that undoes it. Answer:
    /// ``HookReply/ran(_:)``.
    case step(HookStep)
    /// Asks whether all is still as the steps left it. Answer: ``HookReply/frozen``.
    case confirm
    /// Ends the program that runs before its time.
    case cancel
    /// Undoes all steps, the last one first; to the environment of each is added the one in the
    /// list. Answers: ``HookReply/undid(_:)`` for each, then ``HookReply/undone(_:)``.
    case finish([[String: String]])
}

/// What the watchdog answers. The last two come without a request when it acts by itself.
enum HookReply: Codable, Hashable {
    case ready(version: Int)
    /// nil where there was no program.
    case ran(ProgramResult?)
    case frozen
    case undid(UndoRun)
    /// The last message: nothing is owed any more.
    case undone(Takeover?)
}

/// The end of a program that undid a step.
struct UndoRun: Codable, Hashable {
    /// The step, counted from 0.
    var step: Int
    var program: HookProgram
    var result: ProgramResult
}

/// Why the watchdog undid the steps by itself.
enum Takeover: String, Codable {
    /// The caller has ended or closed the connection.
    case callerGone
    /// The caller took longer than it said it would.
    case windowExceeded
    /// The caller sent something that cannot be understood.
    case badRequest

    /// The cause, for messages and `SNAPMGR_ERROR`.
    var text: String {
        switch self {
        case .callerGone: "snapmgr ended in mid-operation"
        case .windowExceeded: "snapmgr held the volumes longer than it may"
        case .badRequest: "snapmgr's hook watchdog got a request that it does not understand"
        }
    }
}

/// Of the connection.
enum HookWire {
    /// Rises when an older watchdog would misunderstand a request. Caller and watchdog are the same
    /// program, so any other version means that it was replaced in between.
    static let version = 1
    /// A longer line is an error.
    static let limitBytes = 16 << 20
}
