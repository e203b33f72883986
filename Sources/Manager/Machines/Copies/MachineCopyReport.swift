internal import System
package import SnapshotModel

/// A throw-away copy of a VM: made, planned, listed, or ended.
package struct MachineCopyReport: Hashable, Sendable {
    /// How a copy is.
    package enum State: Hashable, Sendable {
        /// Nothing was made: it was only looked whether it could be.
        case planned
        /// A command is at work on it.
        case atWork
        /// The command that made it was ended before it was whole.
        case unfinished
        /// Its monitor answers, with QEMU's word: `running`, `paused`.
        case answers(String)
        /// It runs no more; its disks are still there.
        case off
        /// All of it has gone.
        case gone
    }

    /// A disk of it.
    package struct Disk: Hashable, Sendable {
        package var volume: String
        package var snapshot: SnapshotID
        /// The clone that it writes to.
        package var clone: String
        /// Where QEMU has it; nil where that is not known.
        package var address: String?
    }

    package var name: String
    /// The VM's name in the settings.
    package var machine: String
    package var setID: SetID?
    package var disks: [Disk]
    /// Nil while it is only planned.
    package var monitorPath: String?
    package var hasNetwork: Bool
    package var hasMemory: Bool
    /// Nil while it is only planned.
    package var madeAt: Timestamp?
    /// Nil when it is not known.
    package var processID: Int32?
    package var state: State
    /// What is done, in its order, as people read it; empty unless it is planned or was just made.
    package var steps: [String] = []
}

extension MachineCopyReport {
    init(_ record: MachineCopyRecord, _ state: State, addresses: [String: String] = [:]) {
        self.init(
            name: record.name, machine: record.machine, setID: record.setID,
            disks: record.disks.map {
                Disk(
                    volume: $0.volume, snapshot: $0.snapshot, clone: $0.clone,
                    address: addresses[$0.volume])
            },
            monitorPath: record.monitorPath, hasNetwork: record.hasNetwork,
            hasMemory: record.hasMemory, madeAt: record.madeAt, processID: record.process?.id,
            state: state)
    }
}

extension MachineCopyReport.State {
    /// As JSON has it, and people read it.
    package var word: String {
        switch self {
        case .planned: "planned"
        case .atWork: "at work"
        case .unfinished: "unfinished"
        case .answers(let word): word
        case .off: "off"
        case .gone: "gone"
        }
    }
}

extension MachineCopyReport: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(name), "vm": JSONValue(machine), "set_id": JSONValue(setID),
            "disks": .array(
                disks.map { disk in
                    [
                        "volume": JSONValue(disk.volume),
                        "snapshot_id": JSONValue(disk.snapshot), "clone": JSONValue(disk.clone),
                        "address": JSONValue(disk.address),
                    ]
                }),
            "qmp": JSONValue(monitorPath), "network": JSONValue(hasNetwork),
            "with_memory": JSONValue(hasMemory), "made_at": JSONValue(madeAt),
            "process_id": JSONValue(processID.map { Int($0) }), "status": JSONValue(state.word),
            "steps": JSONValue(steps),
        ]
    }
}
