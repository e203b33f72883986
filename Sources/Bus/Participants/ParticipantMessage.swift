internal import Participation
internal import SnapshotModel

/// A participant's method as it is called over the bus, and what its answer means: version 1 of
/// `org.snapmgr1.Participant`.
struct ParticipantMessage: Sendable {
    let member: String
    let values: [BusValue]
    private let call: ParticipantCall
    private let cookie: UInt64

    /// The name of an error by which it refuses.
    static let veto = "org.snapmgr1.Error.Veto"
    private static let retryMilliseconds = 30_000

    init(_ call: ParticipantCall, cookie: Int64) {
        self.call = call
        let number = UInt64(clamping: cookie)
        self.cookie = number
        let name = BusValue.uint64(number)
        switch call {
        case .prepare(let volumes): (member, values) = ("Prepare", [name, .strings(volumes)])
        case .freeze(let milliseconds):
            (member, values) = ("Freeze", [name, .uint32(UInt32(clamping: milliseconds))])
        case .thaw(let succeeded): (member, values) = ("Thaw", [name, .bool(succeeded)])
        case .prepareRevert(let volumes, let snapshots):
            member = "PrepareRevert"
            values = [name, .strings(volumes), .numbers(snapshots)]
        case .reverted(let succeeded): (member, values) = ("Reverted", [name, .bool(succeeded)])
        }
    }

    func answer(
        _ result: Result<[BusValue], BusError>, milliseconds: Int
    ) -> ParticipantAnswer {
        switch result {
        case .success(let values): meaning(of: values)
        case .failure(let error) where error.name == Self.veto: .veto(error.message)
        case .failure(let error) where error.isSilence:
            .silent("it did not answer \(member) within \(milliseconds) ms")
        case .failure(let error) where error.name == BusError.limitsExceeded:
            .silent("\(member) was not delivered: \(error.message)")
        case .failure(let error): .failed("\(member) failed: \(error.message)")
        }
    }

    private func meaning(of values: [BusValue]) -> ParticipantAnswer {
        switch call {
        case .prepare, .prepareRevert: return readiness(values)
        case .freeze:
            // Whatever answers without having understood does not know the number.
            guard case .uint64(cookie)? = values.first else { return confused }
            return .yes
        case .thaw:
            guard let stayed = values.first?.flag else { return confused }
            return stayed ? .yes : .failed("it did not stay at rest")
        case .reverted: return .yes
        }
    }

    private func readiness(_ values: [BusValue]) -> ParticipantAnswer {
        guard values.count == 3, let word = values[0].text, let pause = values[1].number,
            let reason = values[2].text
        else { return confused }
        switch word {
        case "ready": return .yes
        case "veto": return .veto(reason)
        case "retry":
            return .retry(
                milliseconds: Int(min(max(0, pause), Int64(Self.retryMilliseconds))), reason)
        default: return confused
        }
    }

    private var confused: ParticipantAnswer { .failed("its answer to \(member) has no meaning") }
}

/// The signals that everybody on the bus may hear.
enum BusNews {
    static func signal(_ news: ParticipantNews) -> (member: String, values: [BusValue]) {
        switch news {
        case .prepareForSnapshot(let cookie, let isActive, let volumes):
            ("PrepareForSnapshot", [number(cookie), .bool(isActive), .strings(volumes)])
        case .snapshotTaken(let cookie, let snapshots, let consistency):
            (
                "SnapshotTaken",
                [number(cookie), .numbers(snapshots), .string(consistency.rawValue)]
            )
        case .prepareForRevert(let cookie, let isActive, let volumes):
            ("PrepareForRevert", [number(cookie), .bool(isActive), .strings(volumes)])
        case .reverted(let volume, let snapshot, let time):
            ("Reverted", [.string(volume), number(snapshot), number(time)])
        }
    }

    private static func number(_ value: Int64) -> BusValue { .uint64(UInt64(clamping: value)) }
}
