import FoundationEssentials

/// What a history of commands has been told so far, and what it has begun: the child writes it into
/// the record between its operations, where the parent finds it in the order of things.
struct LedgerEntry: Codable {
    /// What was acknowledged.
    var known: KnownState
    /// The command that was begun and has not returned.
    var begun: Command?
    /// What the time was, in seconds since 1970.
    var seconds: Int64

    static let fileName = "ledger"

    var line: [UInt8] {
        get throws { [UInt8](try JSONEncoder().encode(self)) }
    }

    init(known: KnownState, begun: Command?, seconds: Int64) {
        self.seconds = seconds
        self.known = known
        self.begun = begun
    }

    init(line: [UInt8]) throws {
        self = try JSONDecoder().decode(LedgerEntry.self, from: Data(line))
    }
}

/// What the commands so far have promised.
struct KnownState: Codable {
    /// The first byte of every chunk of every volume, as it reads.
    var contents: [String: [UInt8]] = [:]
    var snapshots: [KnownSnapshot] = []
    /// The highest snapshot id that anybody was told.
    var highestID: Int64 = 0
    var held: Set<Int64> = []
    /// The ids of the snapshots that have clones, by the clones' names.
    var clones: [String: Int64] = [:]
    /// As `contents`, of the clones.
    var cloneContents: [String: [UInt8]] = [:]
    /// Clones that end with a merge that may run still.
    var ending: Set<String> = []
    /// The slots of the schedule that were served, in seconds since 1970.
    var served: [Int64] = []
}

struct KnownSnapshot: Codable, Hashable {
    var id: Int64
    var volume: String
    var content: [UInt8]
    var isSafety: Bool
    /// The slot of the schedule that asked for it, in seconds since 1970.
    var slot: Int64?
}

/// One command of a history.
enum Command: Codable {
    case create(volume: String)
    case write(volume: String, chunks: Range<Int>, byte: UInt8)
    case take(volumes: [String])
    case delete(ids: [Int64])
    /// To one snapshot of each volume.
    case revert(ids: [Int64], reference: String, waits: Bool)
    case hold(id: Int64)
    case release(id: Int64)
    case rebuild
    /// Makes a clone of a snapshot, or deletes one.
    case clone(name: String, id: Int64)
    case deleteClone(name: String)
    /// Makes a clone of a clone of a snapshot.
    case cloneOfClone(name: String, parent: String, id: Int64)
    /// Makes a clone a volume of its own.
    case promote(name: String, volume: String)
    case writeClone(name: String, chunks: Range<Int>, byte: UInt8)
    /// To a clone's snapshot with what was written to the clone.
    case revertWith(name: String, id: Int64, ends: Bool, waits: Bool)
    case remove(volume: String)
    case rename(volume: String, name: String)
    /// What a schedule of the first volume asks for at a moment, and what its policy lets go.
    case tick(slot: Int64, kept: Int)
}
