internal import Catalog
internal import Glibc
internal import SnapshotModel
internal import Stream
internal import System

/// The other site, as the source has it: snapmgr at the far end of ssh.
final class MirrorPeer {
    private let program: ConnectedProgram
    private let channel: PeerChannel
    private let context: ManagerContext
    private let record: MirrorRecord
    private var givesSigns = false

    /// How long it may take to end after the last word.
    private static let endMilliseconds = 2000

    /// Nobody is asked for a password, and a peer that has gone is noticed.
    private static let options = [
        "BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4",
        "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes",
    ]

    init(
        _ context: ManagerContext, _ record: MirrorRecord, patienceMilliseconds: Int
    ) throws {
        self.context = context
        self.record = record
        let end = context.end
        let arguments = try Self.arguments(record)
        program = try ConnectedProgram(arguments, patienceMilliseconds: patienceMilliseconds) {
            end.isDue
        }
        channel = PeerChannel(input: program.end, output: program.end)
    }

    static func arguments(_ record: MirrorRecord) throws(Problem) -> [String] {
        let target = try MirrorTarget(record.target)
        let options = options.flatMap { ["-o", $0] }
        let port = target.port.map { ["-p", "\($0)"] } ?? []
        let remote = "\(record.remoteProgram ?? "snapmgr") mirror accept \(target.volume)"
        return (record.connector ?? ["ssh"]) + ["-T"] + options + port
            + ["--", target.destination, remote]
    }

    // MARK: Messages

    /// How a run of a mirror begins.
    ///
    /// - Parameters:
    ///   - volume: the one that is mirrored.
    ///   - isPreview: whether it only looks.
    static func greeting(
        _ context: ManagerContext, _ record: MirrorRecord, _ volume: VolumeRow, isPreview: Bool
    ) throws -> PeerGreeting {
        PeerGreeting(
            version: PeerGreeting.newestVersion, mirror: record.name,
            volume: try MirrorTarget(record.target).volume, source: volume.record.uuid,
            sourceName: record.volume, base: record.base?.uuid, isPreview: isPreview,
            standing: PeerStanding(try VolumeStandings(context).ofSource(volume)),
            hearsSigns: true, resumes: true)
    }

    /// - Throws: what the target says, or why it cannot be reached.
    func greet(_ greeting: PeerGreeting) throws -> PeerOffer {
        let offer = try explaining {
            try channel.send(greeting)
            return try channel.receive(PeerOffer.self)
        }
        if let problem = offer.problem { throw told(problem) }
        givesSigns = offer.givesSigns == true
        return offer
    }

    /// Returns when it is done there.
    func order(_ order: PeerOrder) throws { _ = try answer(to: order) }

    private func answer(to order: PeerOrder) throws -> PeerAnswer {
        let answer = try explaining {
            try channel.send(order)
            return try channel.answer()
        }
        if let problem = answer.problem { throw told(problem) }
        return answer
    }

    /// Sends a stream, which begins from the snapshot that is named.
    func stream<Result>(
        from base: String?, _ body: (FrameSink) throws -> Result
    ) throws -> Result {
        let sink = FrameSink(channel, RateLimit(record.rates, context))
        try explaining { try channel.send(PeerOrder(action: .receive, uuid: base)) }
        if givesSigns { try awaitReady() }
        do {
            let result = try body(sink)
            try sink.finish()
            return result
        } catch {
            // Whoever does not read on has said why. What fails here leaves him waiting for the rest.
            if Problem(error) == PeerChannel.ended,
                let answer = try? channel.answer(), let problem = answer.problem
            {
                throw told(problem)
            }
            return try explaining { throw error }
        }
    }

    /// What the target has to do before a stream may take long, and nothing is written into the connection meanwhile.
    private func awaitReady() throws {
        let answer = try explaining { try channel.answer() }
        if let problem = answer.problem { throw told(problem) }
        guard answer.isReady == true else {
            throw Problem(
                .corrupt,
                "\(record.target) does not answer as snapmgr does: it is not ready for a stream")
        }
    }

    /// Asks for something, and does not wait for the answer.
    func ask(_ order: PeerOrder) throws { try explaining { try channel.send(order) } }

    /// The digests that were asked for.
    func digests() throws -> [String] {
        let answer = try explaining { try channel.answer() }
        if let problem = answer.problem { throw told(problem) }
        return answer.digests ?? []
    }

    /// What was asked for of the seals there.
    ///
    /// - Throws: `corrupt` of what no snapmgr answers.
    func places(in range: Range<Int>) throws -> SealedPlaces {
        let answer = try explaining { try channel.answer() }
        if let problem = answer.problem { throw told(problem) }
        let places = answer.places ?? []
        guard places.allSatisfy({ $0.lies(in: range) }) else { throw stranger }
        return SealedPlaces(places)
    }

    /// What the target has of a part of a copy; nil when that is not what was sealed there.
    func content(_ uuid: String, _ range: Range<Int>) throws -> [UInt8]? {
        let answer = try answer(
            to: PeerOrder(
                action: .content, uuid: uuid, offset: range.lowerBound, length: range.count,
                unit: ViewDigests.smallUnitBytes))
        guard let count = answer.contentBytes else { return nil }
        let bytes = try explaining { try channel.receiveFrame(atMost: range.count) }
        guard count == range.count, bytes.count == count else { throw stranger }
        return bytes
    }

    /// Whether what a chunk there should be is what was sealed there, and is there now.
    func mend(_ uuid: String, at offset: Int, _ bytes: [UInt8]) throws -> Bool {
        let answer = try explaining {
            try channel.send(
                PeerOrder(action: .mend, uuid: uuid, offset: offset, length: bytes.count))
            try channel.write(frame: bytes)
            return try channel.answer()
        }
        if let problem = answer.problem { throw told(problem) }
        return answer.isMended == true
    }

    private var stranger: Problem {
        Problem(.corrupt, "\(record.target) does not answer as snapmgr does")
    }

    /// What of the stream is there now.
    func received() throws -> [PeerOffer.Snapshot] {
        let answer = try explaining { try channel.answer() }
        if let problem = answer.problem { throw told(problem) }
        return answer.snapshots ?? []
    }

    /// Hangs up.
    func end() { program.stop(afterMilliseconds: Self.endMilliseconds) }

    // MARK: Words

    private func told(_ problem: Problem) -> Problem {
        problem.told(by: record.target)
    }

    /// What ssh says is more than that the connection has ended.
    private func explaining<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let problem as Problem where problem == PeerChannel.ended {
            program.stop(afterMilliseconds: Self.endMilliseconds)
            let words =
                program.lastWords.map {
                    ": " + $0.cut(toScalars: Problem.scalarMaximum).escapedForPeople
                } ?? ""
            throw Problem(
                .failed, "the connection with \(record.target) has ended\(words)",
                hint: "nothing is lost, and it is tried again; see that it works by itself: "
                    + "ssh \((try? MirrorTarget(record.target).destination) ?? "")")
        }
    }
}
