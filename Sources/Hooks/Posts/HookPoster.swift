internal import FoundationEssentials
internal import Posting
internal import SnapshotModel
internal import System

/// Posts what a program would be told by its environment, and waits for the answer as one waits for a program's end.
enum HookPoster {
    /// How often things are looked at that wake nobody, in milliseconds.
    private static let pollMilliseconds = 50
    private static let ownPrefix = "SNAPMGR_"
    /// What a program needs and a receiver does not.
    private static let unsaid: Set<String> = ["PATH", "LANG"]

    static func run(
        _ program: HookProgram, _ post: HookPost, _ stop: StopCheck
    ) -> ProgramResult {
        let (sender, ending) = (PostSender(agent: "snapmgr"), Monitored<ProgramResult.Ending?>(nil))
        let deadline = Deadline(program.timeoutMilliseconds)
        do {
            let message = try message(program, post)
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-post") {
                let result = self.ending(of: message, to: post.peer, by: sender)
                ending.change { $0 = result }
            }
        } catch {
            let problem = error as? Problem ?? Problem(.failed, "\(error)")
            return result(.couldNotStart(0, cause: problem.message))
        }
        while true {
            if let found = ending.wait(milliseconds: pollMilliseconds, until: { $0 }) {
                if case .notAnswered = found, deadline.hasPassed { return result(.timedOut) }
                return result(found)
            }
            // A name that is being looked up is left to itself.
            guard !deadline.hasPassed, !stop.isStopWanted() else {
                sender.stop()
                return result(deadline.hasPassed ? .timedOut : .stopped)
            }
        }
    }

    private static func ending(
        of message: PostMessage, to peer: PostPeer, by sender: PostSender
    ) -> ProgramResult.Ending {
        do throws(Problem) {
            return .answered(try sender.post(message, to: peer).status)
        } catch {
            return .notAnswered(error.message)
        }
    }

    private static func result(_ ending: ProgramResult.Ending) -> ProgramResult {
        ProgramResult(ending: ending, milliseconds: 0, output: "")
    }

    // MARK: what is said

    private static func message(_ program: HookProgram, _ post: HookPost) throws -> PostMessage {
        let body = try body(of: program.environment)
        let fields = try post.secretPath.map { path throws(Problem) in
            try PostSignature.fields(
                id: UUID().uuidString.lowercased(), of: body, by: PostSecret.read(path),
                at: SystemClock().now())
        }
        return PostMessage(body, (fields ?? []) + [("X-Snapmgr-Event", program.event.rawValue)])
    }

    private enum Value: Encodable {
        case text(String)
        case texts([String: String])

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .texts(let texts): try container.encode(texts)
            }
        }
    }

    /// snapmgr's own variables by their names in small letters without its prefix, and the hook's in `environment`.
    static func body(of environment: [String: String]) throws -> [UInt8] {
        var (own, others) = ([String: Value](), [String: String]())
        for (name, value) in environment where !unsaid.contains(name) {
            if name.hasPrefix(ownPrefix) {
                own[name.dropFirst(ownPrefix.count).lowercased()] = .text(value)
            } else {
                others[name] = value
            }
        }
        own["environment"] = .texts(others)
        return try LineCodec.encode(own).dropLast()
    }
}
